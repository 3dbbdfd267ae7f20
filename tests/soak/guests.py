"""Who comes: each visit is one thing that somebody does at the gateway's door."""

from __future__ import annotations

import asyncio
import json
import socket
import uuid
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from random import Random
from typing import Any
from urllib.parse import urlsplit

import aiohttp

from tests.engine.answers import script
from tests.user_jwt import mint

#: What a visit may be answered: served; refused by a limit; a store or an upstream is down.
SERVED, LIMITED, DOWN = {200}, {429}, {502, 503, 504}


@dataclass
class Visitor:
    """A guest with an API key that may manage keys. `sessions`: those that it began."""

    user: dict[str, str]
    key: str
    sessions: list[str] = field(default_factory=list)


@dataclass
class Street:
    """Where visits begin, and what comes of them."""

    url: str
    http: aiohttp.ClientSession
    secrets: Mapping[str, str]
    wide: list[Visitor]
    tight: list[Visitor]
    chance: Random
    patience: float  # seconds that a client reads nothing, before it leaves
    mending: bool = False  # a store is down, or was just now
    told: Counter[str] = field(default_factory=Counter)  # by kind of visit and status
    heard: dict[str, int] = field(default_factory=dict)  # pieces of an answer that were read, by the turn's id
    odd: list[str] = field(default_factory=list)  # what nobody should be told

    def somebody(self) -> Visitor:
        """One of the guests whom nothing limits."""
        return self.chance.choice(self.wide)

    async def ask(
        self,
        kind: str,
        who: Visitor,
        path: str,
        body: Any = None,
        *,
        method: str = "",
        expected: set[int] = SERVED,
        leave_after: int | None = None,
    ) -> Any:
        """One request, read to its end, or to so many pieces of a stream; the JSON of a whole answer."""
        headers = {"Authorization": f"Bearer {who.key}"}
        method = method or ("GET" if body is None else "POST")
        async with self.http.request(method, self.url + path, json=body, headers=headers) as answer:
            if answer.content_type == "text/event-stream":
                await self._read(answer, leave_after)
                said = b""
            else:
                said = await answer.read()
            return self.hear(kind, answer.status, said, expected)

    def hear(self, kind: str, status: int, said: bytes, expected: set[int]) -> Any:
        """Note what somebody was told."""
        self.told[f"{kind} {status}"] += 1
        if status not in (expected | DOWN if self.mending else expected) or b"Traceback" in said:
            self.odd.append(f"{kind}: {status} {said[:200]!r}")
        return json.loads(said) if said else None

    async def _read(self, answer: aiohttp.ClientResponse, leave_after: int | None) -> None:
        pieces = 0
        async for line in answer.content:
            pieces += b'"content":"' in line or b'"content": "' in line
            if leave_after is not None and pieces >= leave_after:
                answer.close()
                break
        self.heard[answer.headers["x-router-log-id"]] = pieces


def chat(text: str, model: str = "assistants.host", **more: Any) -> dict[str, Any]:
    """A chat completion's body."""
    return {"model": model, "messages": [{"role": "user", "content": text}], **more}


async def whole(street: Street) -> None:
    """A whole answer."""
    text = script(n=street.chance.randint(1, 60), usage=street.chance.random() > 0.1)
    await street.ask("whole", street.somebody(), "/v1/chat/completions", chat(text))


async def streamed(street: Street) -> None:
    """A streamed one, slow or fast, with usage or without."""
    text = script(n=street.chance.randint(1, 80), interval_ms=street.chance.choice((0, 5, 20)), ttft_ms=20)
    options: dict[str, Any] = {"stream_options": {"include_usage": True}} if street.chance.random() < 0.5 else {}
    await street.ask("streamed", street.somebody(), "/v1/chat/completions", chat(text, stream=True, **options))


async def leaves_before(street: Street) -> None:
    """Somebody who leaves before the first byte, streamed or whole."""
    text = script(n=10, ttft_ms=1500)
    who, stream = street.somebody(), street.chance.random() < 0.5
    try:
        async with asyncio.timeout(street.chance.uniform(0.005, 0.6)):
            await street.ask("leaves before", who, "/v1/chat/completions", chat(text, stream=stream))
    except TimeoutError:
        street.told["leaves before, gone"] += 1


async def leaves_within(street: Street) -> None:
    """Somebody who leaves in the middle of a stream."""
    body = chat(script(n=80, interval_ms=15), stream=True)
    after = street.chance.randint(1, 40)
    await street.ask("leaves within", street.somebody(), "/v1/chat/completions", body, leave_after=after)


async def never_reads(street: Street) -> None:
    """Somebody who asks for megabytes, and reads none of them."""
    body = json.dumps(chat(script(n=3000, text="x" * 2000), max_tokens=3000, stream=True)).encode()
    target = urlsplit(street.url)
    with socket.socket() as own:
        own.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        own.setblocking(False)
        await asyncio.get_running_loop().sock_connect(own, (target.hostname, target.port))
        head = f"POST /v1/chat/completions HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {street.somebody().key}\r\n"
        head += f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
        await asyncio.get_running_loop().sock_sendall(own, head.encode() + body)
        await asyncio.sleep(street.patience)
    street.told["never reads, gone"] += 1


async def uses_tools(street: Street) -> None:
    """An assistant that calculates: two calls of the model, one answer."""
    calls = [{"name": "calculator", "arguments": {"expression": "2+2"}}]
    text = "script:" + json.dumps({"tool_calls": calls, "text": "It is four.", "interval_ms": 5})
    body = chat(text, "assistants.helped", stream=street.chance.random() < 0.5)
    await street.ask("tools", street.somebody(), "/v1/chat/completions", body)


async def goes_on(street: Street) -> None:
    """A session that goes on, is read, listed, and now and then deleted."""
    who = street.somebody()
    if len(who.sessions) < 5:
        who.sessions.append(uuid.uuid4().hex)
    id = street.chance.choice(who.sessions)
    await street.ask("session", who, "/v1/chat/completions", chat("I am Fran.", "assistants.butler", session_id=id))
    gone = {200, 404}  # while a store is down nothing is remembered
    await street.ask("session read", who, f"/v1/sessions/{id}", expected=gone)
    await street.ask("sessions", who, "/v1/sessions")
    if street.chance.random() < 0.1:
        if id in who.sessions:
            who.sessions.remove(id)
        await street.ask("session deleted", who, f"/v1/sessions/{id}", method="DELETE", expected={200, 204, 404})


async def in_json(street: Street) -> None:
    """An assistant that answers in JSON, at once or at the second try."""
    texts = ['{"a": 1}'] if street.chance.random() < 0.7 else ["no JSON", '{"a": 1}']
    text = "script:" + json.dumps({"texts": texts, "id": uuid.uuid4().hex})
    if street.chance.random() < 0.5:
        await street.ask("json", street.somebody(), "/v1/chat/completions", chat(text, "assistants.former"))
    else:
        await street.ask("invoke", street.somebody(), "/api/v1/assistants/former/invoke", {"input": text})


async def embeds(street: Street) -> None:
    """Embeddings."""
    body = {"model": "models.vectors", "input": ["one two", "three"] * street.chance.randint(1, 10)}
    await street.ask("embeddings", street.somebody(), "/v1/embeddings", body)


async def falls_back(street: Street) -> None:
    """A model with two upstreams, the first of which is in whatever mood."""
    body = chat("hello", "models.best", stream=street.chance.random() < 0.6)
    await street.ask("fallback", street.somebody(), "/v1/chat/completions", body, expected=SERVED | LIMITED | DOWN)


async def queues(street: Street) -> None:
    """A provider with few seats, asked by many; somebody looks how long it will take, or leaves the line."""
    who = street.somebody()
    body = chat(script(n=20, interval_ms=15), "models.narrow", stream=street.chance.random() < 0.7)
    call = asyncio.create_task(
        street.ask("queue", who, "/v1/chat/completions", body, expected=SERVED | LIMITED, leave_after=None)
    )
    await street.ask("queue read", who, "/v1/queue")
    if street.chance.random() < 0.2:
        call.cancel()
    await asyncio.wait([call])
    if not call.cancelled():
        call.result()


async def manages_keys(street: Street) -> None:
    """A key is made, used, exchanged for a token, and revoked; then it opens nothing."""
    who = street.somebody()
    made = await street.ask("key made", who, "/v1/key/generate", {"name": "soak"}, expected={200, 400})
    if not made or "key" not in made:
        return
    fresh = Visitor(who.user, made["key"])
    await street.ask("key used", fresh, "/v1/chat/completions", chat("hello"))
    token = await street.ask("token", fresh, "/v1/token", {})
    ended = await street.ask("key revoked", who, "/v1/key/revoke", {"id": made["id"]})
    if not ended or "revoked" not in ended:
        return  # a store was down
    for text in (made["key"], (token or {}).get("token")):
        if text:
            await street.ask("key ended", Visitor(who.user, text), "/v1/usage", expected={401})


async def looks(street: Street) -> None:
    """Somebody reads what they used, and what there is."""
    who = street.somebody()
    await street.ask("usage", who, "/v1/usage")
    page = await street.ask("history", who, "/v1/usage/history?limit=5")
    for row in (page or {}).get("data", [])[:1]:
        await street.ask("whereabouts", who, f"/v1/queue/{row['request_id']}", expected={200, 404})
    await street.ask("models", who, "/v1/models")


async def is_refused(street: Street) -> None:
    """Somebody whose plan allows little."""
    who = street.chance.choice(street.tight)
    body = chat(script(n=3), stream=street.chance.random() < 0.5)
    await street.ask("tight", who, "/v1/chat/completions", body, expected=SERVED | LIMITED)


async def is_mistaken(street: Street) -> None:
    """Bodies, keys and paths that are wrong."""
    who, wrong = street.somebody(), {400, 401, 404, 405}
    bodies: list[Any] = [[], {}, chat("x", "models.none"), chat("x", n="many"), {"model": 1, "messages": "x"}]
    await street.ask("mistake", who, "/v1/chat/completions", street.chance.choice(bodies), expected=wrong)
    await street.ask("wrong path", who, f"/v1/{uuid.uuid4().hex}", expected=wrong)
    key = f"mtr-{uuid.uuid4().hex[:16]}-{uuid.uuid4().hex}"
    await street.ask("wrong key", Visitor(who.user, key), "/v1/usage", expected=wrong)
    address = f"127.8.{street.chance.randint(0, 255)}.{street.chance.randint(1, 254)}"
    target = urlsplit(street.url)
    reader, writer = await asyncio.open_connection(target.hostname, target.port, local_addr=(address, 0))
    try:
        writer.write(b"GET /v1/usage HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer " + key.encode() + b"\r\n")
        writer.write(b"Connection: close\r\n\r\n")
        status = int((await reader.readline()).split()[1])
        street.hear("wrong key from elsewhere", status, b"", wrong)
    finally:
        writer.close()


async def arrives(street: Street) -> None:
    """Somebody new, for whom Open WebUI vouches."""
    id = uuid.uuid4().hex
    user = {"id": id, "email": f"{id[:8]}@maitre.example", "name": "New", "role": "user"}
    headers = {
        "Authorization": f"Bearer {street.secrets['gateway_key']}",
        "X-OpenWebUI-User-Jwt": mint(street.secrets["user_jwt"], user),
    }
    url = f"{street.url}/v1/chat/completions"
    async with street.http.post(url, json=chat("hello"), headers=headers) as answer:
        street.hear("new guest", answer.status, await answer.read(), SERVED)


#: How often each is seen among the others.
VISITS: Mapping[Callable[[Street], Awaitable[None]], float] = {
    whole: 6,
    streamed: 8,
    leaves_before: 3,
    leaves_within: 4,
    never_reads: 0.1,
    uses_tools: 3,
    goes_on: 3,
    in_json: 3,
    embeds: 3,
    falls_back: 5,
    queues: 4,
    manages_keys: 1,
    looks: 2,
    is_refused: 3,
    is_mistaken: 2,
    arrives: 1,
}
