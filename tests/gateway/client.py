"""A client of an ASGI application without a socket, and the parts that a host stands on."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any

from gateway.asgi import Event, Receive, Scope, Send
from gateway.host import Host
from gateway.paths import Route
from maitre.chat.message import Guest, TurnRequest
from maitre.chat.shown import Sink
from maitre.errors import Refusal
from tests.user_jwt import mint

KEY, SECRET = "the-key-of-the-house", "a-secret-that-is-long-enough-to-sign-with, even by a longer digest"
FRAN = {"id": "u1", "email": "fran@x.io", "name": "Fran", "role": "user"}
CHAT = "/v1/chat/completions"


@dataclass
class Answer:
    """What an application sent. `writes`: the pieces of the body, as they were sent."""

    status: int = 0
    headers: dict[str, str] = field(default_factory=dict)
    writes: list[bytes] = field(default_factory=list)
    whole: bool = False

    @property
    def body(self) -> bytes:
        """All of it."""
        return b"".join(self.writes)

    def json(self) -> Any:
        """Parsed."""
        return json.loads(self.body)


class Client:
    """One request. `leave()` hangs up; `stall()` takes nothing more off the socket until `read()`."""

    def __init__(self, scope: Scope, pieces: Sequence[bytes]) -> None:
        self.scope, self.answer = scope, Answer()
        self._pieces = list(pieces)
        self._gone, self._reads = asyncio.Event(), asyncio.Event()
        self._reads.set()
        self.taken = 0  # pieces of the body that the application has read

    async def receive(self) -> Event:
        """What the server hands to the application."""
        if self.taken < len(self._pieces):
            self.taken += 1
            more = self.taken < len(self._pieces)
            return {"type": "http.request", "body": self._pieces[self.taken - 1], "more_body": more}
        await self._gone.wait()
        return {"type": "http.disconnect"}

    async def send(self, event: Event) -> None:
        """What the application hands to the server."""
        await self._reads.wait()
        if event["type"] == "http.response.start":
            assert not self.answer.status, "an answer begins once"
            self.answer.status = event["status"]
            self.answer.headers = {name.decode(): value.decode() for name, value in event["headers"]}
        else:
            assert self.answer.status, "an answer begins with its status"
            assert not self.answer.whole, "an answer ends once"
            self.answer.writes.append(event.get("body", b""))
            self.answer.whole = not event.get("more_body", False)

    def leave(self) -> None:
        """Hang up."""
        self._gone.set()

    def stall(self) -> None:
        """Read nothing more."""
        self._reads.clear()

    def read(self) -> None:
        """Read on."""
        self._reads.set()


def client(method: str, path: str, headers: Mapping[str, str] | Sequence[tuple[str, str]] = (), *body: bytes) -> Client:
    """A request as uvicorn describes it."""
    lines = headers.items() if isinstance(headers, Mapping) else headers
    scope = {
        "type": "http",
        "method": method,
        "path": path,
        "raw_path": path.encode(),
        "query_string": b"",
        "headers": [(name.lower().encode(), value.encode("latin-1")) for name, value in lines],
    }
    return Client(scope, body or [b""])


def signed(user: Mapping[str, Any] = FRAN, **claims: Any) -> dict[str, str]:
    """The headers of a call from Open WebUI for the user; `now` is a thousand."""
    token = mint(SECRET, user, **{"iat": 1000, "exp": 1300, **claims})
    return {"Authorization": f"Bearer {KEY}", "X-OpenWebUI-User-Jwt": token}


def asked(**more: Any) -> bytes:
    """The body of a chat completion of our own."""
    return json.dumps({"model": "assistants.host", "messages": [{"role": "user", "content": "hi"}], **more}).encode()


class Turns:
    """Does with a turn what a test says."""

    terms = SimpleNamespace(language="en")

    def __init__(self) -> None:
        self.streamed: Callable[[Sink], Any] | None = None
        self.answered: Callable[[], Any] | None = None
        self.requests: list[TurnRequest] = []

    async def stream(self, request: TurnRequest, sink: Sink) -> None:
        self.requests.append(request)
        assert self.streamed is not None
        await self.streamed(sink)

    async def answer(self, request: TurnRequest) -> Any:
        self.requests.append(request)
        return {"said": "hi"} if self.answered is None else await self.answered()

    def sentence(self, refused: Refusal, request: object) -> str:
        return f"The sentence of {refused.key}."


class Engine:
    """Knows the secrets; its turns are a test's."""

    def __init__(self) -> None:
        self.turns, self.requests = Turns(), self
        self.diary = SimpleNamespace(seen=lambda who: None)
        self.house = SimpleNamespace(secret={"pipelines_key": KEY, "user_jwt": SECRET}.__getitem__)

    def request_of(self, user: Mapping[str, Any], model: str, body: Mapping[str, Any]) -> TurnRequest:
        return TurnRequest(Guest(user["id"], user["email"], user["name"]), model, body.get("messages") or (), body)


class Upstream:
    """Stands for the upstream server: remembers what it was asked."""

    routes = (
        Route("/v1/chat/completions", frozenset({"POST"})),
        Route("/chat/completions", frozenset({"POST"})),
        Route("/{pipeline_id}/valves", frozenset({"GET"})),
        Route("/pipelines/upload", frozenset({"POST"})),
    )

    def __init__(self) -> None:
        self.bodies: list[Any] = []

    async def serve(self, scope: Scope, receive: Receive, send: Send) -> None:
        lengths = [value for name, value in scope["headers"] if name == b"content-length"]
        body = (await receive())["body"]
        assert lengths in ([], [str(len(body)).encode()])
        self.bodies.append(json.loads(body) if body else None)
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"theirs"})


class House:
    """A host on such parts. `now` is its clock, in seconds."""

    def __init__(self, *, management: bool = False) -> None:
        self.now = 1000.0
        self.engine, self.upstream = Engine(), Upstream()
        self.host = Host(self.engine, self.upstream, management, lambda: self.now)  # type: ignore[arg-type]

    @property
    def turns(self) -> Turns:
        """What its engine does."""
        return self.engine.turns

    async def ask(self, one: Client) -> Answer:
        """The answer to a client."""
        async with asyncio.timeout(10):
            await self.host.serve(one.scope, one.receive, one.send)
        return one.answer
