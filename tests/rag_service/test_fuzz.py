"""Bodies and paths that were right, and then something happened to them: none is a fault of the service."""

from __future__ import annotations

import asyncio
import json
import os
import random
from typing import Any
from urllib.parse import quote

import aiohttp

from rag_service.callers import HEADER
from tests.api.test_fuzz import JUNK, broken, mutated
from tests.rag_service.desk import ANN, KEY, Desk

BODIES = int(os.environ.get("FUZZ_BODIES", "1500"))
SEED = int(os.environ.get("FUZZ_SEED", random.SystemRandom().randrange(2**32)))
AT_ONCE = 8

FILTERS = {"filters": [{"key": "n", "operator": ">=", "value": 1}], "condition": "and"}
READERS = {"everyone": True, "users": ["a@b.example"], "groups": ["staff"], "assistants": ["clerk"]}
COLLECTION = {"title": "T", "description": "D", "language": "english", "index": "hnsw", "readers": READERS}
TEXT = {
    "collection": "notes",
    "key": "k",
    "text": "words",
    "title": "T",
    "url": "https://x.example",
    "metadata": {"n": 1},
}
QUERY = {"question": "words", "collections": ["notes"], "limit": 3, "mode": "hybrid", "mmr": 0.5, "filters": FILTERS}
BODIES_OF = [
    ("POST", "/collections", {"name": "notes", **COLLECTION}),
    ("PUT", "/collections/notes", {**COLLECTION, "owner": {"user": "u-ann"}}),
    ("POST", "/index-text", TEXT),
    ("POST", "/query", QUERY),
    ("POST", "/query", {**QUERY, "answer": True, "model": "m"}),
]
MULTIPART = b'--b\r\ncontent-disposition: form-data; name="file"; filename="f"\r\n\r\nx\r\n--b--\r\n'
PATHS = (
    "/collections/{}", "/collections/{}/documents", "/collections/notes/documents?limit={}",
    "/collections/notes/documents?after={}", "/collections/notes/documents?status={}", "/documents/{}", "/jobs/{}",
    "/jobs/{}/events", "/{}",
)  # fmt: skip


def request(number: int) -> tuple[str, str, dict[str, Any]]:
    """Method, path and what else there is to the request of this number."""
    chance = random.Random(SEED * 1_000_003 + number)
    junk = chance.choice(JUNK)
    word = junk if isinstance(junk, str) else json.dumps(junk)
    match chance.randrange(6):
        case 0:
            path = chance.choice(PATHS).format(quote(word.encode("utf-8", "surrogatepass")[:2000], safe=""))
            return chance.choice(("GET", "GET", "DELETE", "POST")), path, {}
        case 1:
            filters = mutated(FILTERS, chance)
            return "DELETE", f"/collections/notes/documents?filters={quote(filters[:5000])}", {}
        case 2:
            fields = {"collection": "notes", "title": "T", "key": "k", "url": "", "metadata": '{"n": 1}'}
            fields[chance.choice(list(fields))] = word.encode("utf-8", "replace").decode()
            form = aiohttp.FormData({name: value for name, value in fields.items() if chance.random() < 0.9})
            name = chance.choice(("a.txt", "", "x" * 3000, "‮.txt", "a/b\\c"))
            form.add_field("file", broken(b"words", chance), filename=name, content_type="text/plain")
            return "POST", chance.choice(("/index-document", "/index-documents")), {"data": form}
        case 3:
            data = broken(
                b'--b\r\ncontent-disposition: form-data; name="file"; filename="f"\r\n\r\nx\r\n--b--\r\n', chance
            )
            return (
                "POST",
                "/index-document",
                {"data": data, "headers": {"Content-Type": "multipart/form-data; boundary=b"}},
            )
        case _:
            method, path, body = chance.choice(BODIES_OF)
            kind = chance.choice(("application/json",) * 9 + ("text/plain",))
            return method, path, {"data": mutated(body, chance), "headers": {"Content-Type": kind}}


async def ask(desk: Desk, number: int) -> str | None:
    """What is wrong with the answer to the request of this number, if anything is."""
    method, path, more = request(number)
    headers = {"Authorization": f"Bearer {KEY}", HEADER: ANN.token(), **more.pop("headers", {})}
    try:
        async with desk.session.request(method, desk.url + path, headers=headers, **more) as answer:
            text = await answer.text()
    except (aiohttp.ClientError, TimeoutError) as broke:
        return f"request {number} of seed {SEED}: {method} {path[:300]} {str(more)[:300]} -> {broke!r}"
    told = f"request {number} of seed {SEED}: {method} {path[:300]} {str(more)[:300]} -> {answer.status} {text[:300]}"
    if answer.status >= 500 or "Traceback" in text or '.py"' in text:
        return told
    if answer.status >= 400 and not json.loads(text)["error"]["message"]:
        return told
    return None


async def test_no_request_is_a_fault_of_the_service(desk: Desk) -> None:
    """Each is answered, or refused in a sentence, and never with a status of 500 or more."""
    numbers = iter(range(BODIES))
    wrong: list[str] = []

    async def line() -> None:
        for number in numbers:
            if number % 50 == 0:  # whoever got a DELETE right
                await desk.ask(ANN, "PUT", "/collections/notes", {})
            if told := await ask(desk, number):
                wrong.append(told)

    await asyncio.gather(*(line() for _ in range(AT_ONCE)))
    assert not wrong, "\n".join(wrong[:10])
