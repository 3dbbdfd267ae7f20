"""A memory by relevance and a running summary on the real gateway, with a double of the RAG service: what the upstream
reads, what the ledger has, and that what is deleted is forgotten there, too."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import requests

from tests.api.books import every_row, uncalled, unmetered
from tests.api.conftest import Client
from tests.engine.hall import Hall
from tests.engine.seeded import seeded_hall
from tests.engine.small_house import HOUSE
from tests.turn_service import TurnService, running_turn_service
from tests.upstream import ScriptedUpstream, running_upstream

BUTLER = """---
name: Butler
model: scripted
memory: { load: 2, keep: 10, relevant: 2, summary: true, summary_tokens: 60 }
---
You are the butler.
"""
MODEL = "assistants.butler"


@pytest.fixture(scope="module")
def upstream() -> Iterator[ScriptedUpstream]:
    """An upstream of this file's own."""
    with running_upstream() as started:
        yield started


@pytest.fixture(scope="module")
def remembering(
    tmp_path_factory: pytest.TempPathFactory, upstream: ScriptedUpstream
) -> Iterator[tuple[Hall, TurnService]]:
    """A gateway of a house whose butler remembers by relevance, and the service."""
    text = HOUSE + "rag: {{ embedding: vectors }}\n"
    with (
        seeded_hall(tmp_path_factory.mktemp("memory"), upstream.url, text, {"butler": BUTLER}) as hall,
        running_turn_service(hall.house.secret("rag_key")) as service,
    ):
        file = hall.house.state / "endpoints.json"
        file.write_text(json.dumps({**json.loads(file.read_text()), "rag": service.url}))
        hall.start("gateway")
        service.gateway = hall.parts["gateway"].url
        yield hall, service


@pytest.fixture
def service(remembering: tuple[Hall, TurnService]) -> TurnService:
    """The service, which is well."""
    remembering[1].fault = 0
    return remembering[1]


@pytest.fixture
def client(remembering: tuple[Hall, TurnService]) -> Client:
    """A fresh guest on the widest plan, with a key."""
    hall, _ = remembering
    guest = hall.guest()
    return Client(hall, guest, hall.key(guest))


def rows(client: Client) -> list[dict[str, Any]]:
    """The guest's rows, once none of them is open."""
    mine = [row for row in every_row(client.hall) if row["user_id"] == client.guest["id"]]
    return [] if any(row["status"] == "open" for row in mine) else mine


def kinds(client: Client) -> list[tuple[str, bool]]:
    """What the guest's calls were for, and whether each counted as a request."""
    return sorted((row["kind"], row["counted"]) for row in rows(client))


def test_older_turns_and_a_summary_go_before_a_new_one(
    client: Client, service: TurnService, upstream: ScriptedUpstream, eventually: Callable[..., Any]
) -> None:
    """Each call is a row of the guest's: of a question in its turn, of a summary in the turn that made it due; none of
    them is a request. A guest may read the summary, and with the session everything goes."""
    texts = ["My cat is called Pixel.", "It rains in Kyiv.", "I run on Mondays."]
    for number, text in enumerate(texts, 1):
        assert client.chat(text, model=MODEL, session_id="desk").status_code == 200
        eventually(lambda number=number: len(service.texts()) == number)
    summary = eventually(lambda: client.get("/v1/sessions/desk").json().get("summary"))
    three = [("embedding", False)] * 3 + [("summary", False)] + [("turn", True)] * 3
    assert eventually(lambda: kinds(client) == three)
    answer = client.chat("What is the name of my cat?", model=MODEL, session_id="desk")
    assert "x-memory" not in answer.headers
    told = next(call.body["messages"] for call in reversed(upstream.calls) if "Pixel" in str(call.body.get("messages")))
    assert told[0]["content"].startswith("You are the butler.")
    assert summary in told[0]["content"]
    assert "Guest: My cat is called Pixel." in told[0]["content"]
    assert [message["content"] for message in told[1::2]] == [*texts[1:], "What is the name of my cat?"]
    assert eventually(lambda: kinds(client) == sorted([*three, *[("embedding", False)] * 2, ("turn", True)]))
    found = rows(client)
    turns = {row["turn_id"] for row in found if row["kind"] == "turn"}
    asked = next(row for row in found if row["turn_id"] == answer.headers["x-router-log-id"])
    assert asked["turn_id"] in turns
    assert [row["kind"] for row in found if row["turn_id"] == asked["turn_id"]] == ["embedding", "turn"]
    assert next(row["turn_id"] for row in found if row["kind"] == "summary") in turns
    assert (unmetered(client.hall, upstream), uncalled(client.hall, upstream)) == (set(), set())
    delete(client, "desk")
    assert eventually(lambda: not service.texts())
    client.chat("Who am I?", model=MODEL, session_id="desk")
    assert "Pixel" not in str(upstream.calls[-1].body)
    delete(client, "desk")


def test_what_is_deleted_while_the_service_is_down_is_forgotten_later(
    client: Client, service: TurnService, eventually: Callable[..., Any]
) -> None:
    """The deletion is done at once for the guest; the service hears of it when it is there again, though the gateway
    was killed in between."""
    client.chat("The word is swordfish.", model=MODEL, session_id="secret")
    eventually(lambda: any("swordfish" in text for text in service.texts()))
    service.fault = 503
    delete(client, "secret")
    assert client.get("/v1/sessions/secret").status_code == 404
    client.hall.kill("gateway")
    service.fault = 0
    client.hall.start("gateway")
    eventually(lambda: not any("swordfish" in text for text in service.texts()), seconds=90)


def test_a_turn_goes_on_without_the_service(
    client: Client, service: TurnService, upstream: ScriptedUpstream, eventually: Callable[..., Any]
) -> None:
    """With its newest turns, and the answer says so; a client of the API reads no error."""
    for text in ("one", "two", "three"):
        client.chat(text, model=MODEL, session_id="desk")
    eventually(lambda: client.get("/v1/sessions/desk").json().get("summary"))
    service.fault = 503
    answer = client.chat("four", model=MODEL, session_id="desk")
    assert (answer.status_code, answer.headers["x-memory"]) == (200, "partial")
    told = next(call.body["messages"] for call in reversed(upstream.calls) if "four" in str(call.body.get("messages")))
    assert [message["content"] for message in told[1::2]] == ["two", "three", "four"]


def delete(client: Client, id: str) -> None:
    """Delete a session."""
    answer = requests.delete(f"{client.url}/v1/sessions/{id}", headers=client.headers, timeout=30)
    assert answer.json()["deleted"]
