"""Ten thousand bodies that were right, and then something happened to them."""

from __future__ import annotations

import asyncio
import copy
import json
import os
import random
from collections.abc import Callable, Iterator
from typing import Any

import aiohttp

from gateway.openapi.document import document
from tests.api.books import opened, unmetered
from tests.api.conftest import Client
from tests.upstream import ScriptedUpstream

BODIES = int(os.environ.get("FUZZ_BODIES", "10000"))
SEED = int(os.environ.get("FUZZ_SEED", random.SystemRandom().randrange(2**32)))
AT_ONCE = 16
LARGE = 200_000  # characters; what is larger is left as it is

JUNK: tuple[Any, ...] = (
    None, True, 0, -1, 1e308, -0.0, 2**63, 2**200, "", " ", "\x00", "\ud800", "‮", "a" * 5000, "../..", "%00",
    "${jndi}", "{{prompt}}", "' or 1=1 --", [], {}, [[]], [None] * 50, {"": ""}, {"type": "text"}, {"role": "user"},
    "script:{}", "script:", "assistants.", "models.", "maitre", {"$ref": "#"}, "NaN", "data:image/png;base64,",
)  # fmt: skip


def seeds() -> list[tuple[str, str, Any]]:
    """Method, path and body of every example in the document."""
    found = []
    for path, methods in document()["paths"].items():
        for method, operation in ((name, one) for name, one in methods.items() if name != "parameters"):
            for media in operation.get("requestBody", {}).get("content", {}).values():
                for example in media.get("examples", {}).values():
                    found.append((method.upper(), path, example["value"]))
    return found


def places(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """The way to every value within a body."""
    yield path
    if isinstance(value, dict):
        for name in value:
            yield from places(value[name], (*path, name))
    elif isinstance(value, list):
        for index, one in enumerate(value):
            yield from places(one, (*path, index))


def mutated(body: Any, chance: random.Random) -> bytes:
    """The body with one to four things done to it."""
    body = json.loads(json.dumps(body))
    for _ in range(chance.randint(1, 4)):
        if len(json.dumps(body)) > LARGE:  # forty copies of forty copies take the client a minute to write down
            break
        *way, last = chance.choice(list(places(body))) or (None,)
        if last is None or not isinstance(body, dict | list):
            continue
        within = body
        for step in way:
            within = within[step]
        match chance.randrange(6):
            case 0:
                del within[last]
            case 1:
                within[last] = copy.deepcopy(chance.choice(JUNK))
            case 2:
                within[last] = [copy.deepcopy(within[last]) for _ in range(chance.randint(0, 40))]
            case 3:
                within[last] = {"x": within[last]}
            case 4 if isinstance(within, dict):
                within[str(chance.choice(JUNK))[:50]] = within.pop(last)
            case _:
                for _ in range(chance.choice((1, 60))):
                    within[last] = [within[last]]
    return broken(json.dumps(body).encode("utf-8", "surrogatepass"), chance)


def broken(data: bytes, chance: random.Random) -> bytes:
    """Now and then the bytes themselves."""
    if chance.random() < 0.8:
        return data
    at = chance.randrange(len(data) + 1)
    match chance.randrange(4):
        case 0:
            return data[:at]
        case 1:
            return data[:at] + bytes([chance.randrange(256)]) + data[at:]
        case 2:
            return data[:at] + b"[" * chance.choice((3, 5000)) + data[at:]
        case _:
            return data + data


async def ask(client: Client, number: int, session: aiohttp.ClientSession, known: list[Any]) -> str | None:
    """Send the body of this number; what is wrong with the answer, if anything."""
    chance = random.Random(SEED * 1_000_003 + number)
    method, path, body = chance.choice(known)
    data = mutated(body, chance)
    path = path.replace("{slug}", "host").replace("{id}", "nothing").replace("{assistant}", "host")
    headers = {**client.headers, "Content-Type": "application/json"}
    async with session.request(method, client.url + path, data=data, headers=headers) as answer:
        text = await answer.text()
    told = f"body {number} of seed {SEED}: {method} {path} {data[:300]!r} -> {answer.status} {text[:300]}"
    if answer.status >= 500 or "Traceback" in text or '.py"' in text or "x-router-log-id" not in answer.headers:
        return told
    if answer.status >= 400 and not json.loads(text)["error"]["message"]:
        return told
    return None


def test_ten_thousand_broken_bodies(client: Client, upstream: ScriptedUpstream, eventually: Callable[..., Any]) -> None:
    """Each is answered, or refused in a sentence; none is a fault of ours, and none reaches the upstream unmetered."""
    log = client.hall.log("gateway")
    before = log.stat().st_size
    asyncio.run(_all(client))
    eventually(lambda: opened(client.hall) == 0, "rows stay open")
    assert unmetered(client.hall, upstream) == set()
    assert "Traceback" not in log.read_bytes()[before:].decode("utf-8", "replace")


async def _all(client: Client) -> None:
    known = seeds()
    numbers = iter(range(BODIES))
    wrong: list[str] = []
    async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=60)) as session:

        async def work() -> None:
            for number in numbers:
                if (told := await ask(client, number, session, known)) is not None:
                    wrong.append(told)
                if number % 2500 == 0:
                    print(f"[fuzz, seed {SEED}] {number} of {BODIES} bodies")

        await asyncio.gather(*(work() for _ in range(AT_ONCE)))
    assert not wrong, "\n".join(wrong[:10])
