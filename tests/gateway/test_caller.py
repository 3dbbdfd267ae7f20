"""Who calls the public API: refused before the body is looked at, and looked up once."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Mapping
from dataclasses import replace
from types import SimpleNamespace
from unittest.mock import AsyncMock

import jwt
import pytest

from gateway.public_api import PublicAPI
from maitre.chat.requests import Requests
from maitre.keys.key import Key
from maitre.providers.provider import Model
from tests.gateway.client import FRAN, KEY, SECRET, Answer, client
from tests.maitre.chat.kitchen import FREE, Kitchen
from tests.user_jwt import mint

RAG_KEY = "the key of the house's RAG service, which signs"
SECRETS = {"gateway_key": KEY, "rag_key": RAG_KEY, "user_jwt": SECRET, "key_tokens": SECRET}
BODY = json.dumps({"model": "models.vectors", "input": "three little words"}).encode()


class Gate:
    """The public API of a house in memory."""

    def __init__(self) -> None:
        self.kitchen = Kitchen()
        self.kitchen.models["vectors"] = Model("vectors", "Vectors", "local", "upstream-vectors", embedding=True)
        self.kitchen.registry.offer(replace(FREE, models=("vectors",)))
        self.reads = AsyncMock(wraps=self.kitchen.registry.arrive)
        self.kitchen.registry.arrive = self.reads  # type: ignore[method-assign]
        key = Key("k" * 16, FRAN["id"], "k", self.kitchen.clock())
        engine = SimpleNamespace(
            turns=self.kitchen.turns,
            embeddings=self.kitchen.embeddings,
            requests=Requests(SECRET, self.kitchen.clock, lambda: "id"),
            menu=SimpleNamespace(public_id=lambda name: name),
            keys=SimpleNamespace(find=AsyncMock(return_value=key)),
            diary=SimpleNamespace(seen=lambda who: None),
            house=SimpleNamespace(secret=SECRETS.__getitem__, rag=object(), trusted_proxies=()),
        )
        self._api = PublicAPI(engine)  # type: ignore[arg-type]

    async def embed(self, headers: Mapping[str, str], body: bytes = BODY) -> Answer:
        """Ask for an embedding."""
        asked = client("POST", "/v1/embeddings", headers, body)
        await self._api.serve(asked.scope, asked.receive, asked.send)
        self.taken = asked.taken
        return asked.answer


@pytest.fixture
async def gate() -> Gate:
    """A house with an embedder."""
    return Gate()


def doors() -> Iterator[Mapping[str, str]]:
    """The headers of Open WebUI's connection, and of the RAG service, for a guest and for a guest's key."""
    yield {"Authorization": f"Bearer {KEY}", "X-OpenWebUI-User-Jwt": mint(SECRET, FRAN)}
    now = int(time.time())
    for more in ({}, {"key": "k" * 16}):
        told = {"iss": "maitre", "sub": FRAN["id"], "iat": now, "exp": now + 60, **more}
        yield {"Authorization": f"Bearer {RAG_KEY}", "X-Maitre-On-Behalf-Of": jwt.encode(told, RAG_KEY, "HS256")}


async def test_the_account_is_read_once(gate: Gate) -> None:
    """Whoever vouches for the guest: what is read to find out who calls is what the call goes by."""
    for number, headers in enumerate(doors(), 1):
        answer = await gate.embed(headers)
        assert answer.status == 200, answer.body
        assert gate.reads.await_count == number
    await gate.kitchen.check_books()
    assert {call.user_id for call in gate.kitchen.books.calls.values()} == {FRAN["id"]}


async def test_a_suspended_guest_is_refused_before_the_body_is_looked_at(gate: Gate) -> None:
    """A 403, however wrong the body is, and nothing of it is read."""
    gate.kitchen.registry.suspended.add(FRAN["id"])
    for headers in doors():
        answer = await gate.embed(headers, b"no JSON")
        assert (answer.status, gate.taken) == (403, 0)


async def test_a_change_of_the_catalogue_holds_for_the_next_call(gate: Gate) -> None:
    """The account goes with the version that was read beside it."""
    (first, *_), (again, *_) = doors(), doors()
    assert (await gate.embed(first)).status == 200
    gate.kitchen.registry.offer(replace(FREE, models=()))
    assert (await gate.embed(again)).status == 404
