"""Knowledge on the real gateway, through API keys and as Open WebUI's connection: what the upstream read of the
house's documents, what the guest is told of them, and what the ledger has."""

from __future__ import annotations

import json
import time
import uuid
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import requests

from maitre.chat.message import Stamp
from maitre.chat.stamp import KEY, sign
from maitre.knowledge.collection import Readers
from maitre.knowledge.passage import Passage
from tests.api.conftest import Client
from tests.api.test_tools import chunks, script
from tests.engine.hall import Hall
from tests.engine.seeded import seeded_hall
from tests.engine.small_house import HOUSE
from tests.rag_double import RagDouble, put_up, running_rag_double
from tests.upstream import ScriptedUpstream, running_upstream
from tests.user_jwt import mint

KNOWING = """
rag: { embedding: vectors }
knowledge:
  handbook: { name: Handbook, readers: { everyone: true } }
  cellar: { name: Cellar }
"""
READER = """---
name: Reader
model: scripted
knowledge: { collections: [handbook, cellar], deadline_seconds: 2 }
---
You know the house.
"""
ASKER = READER.replace("deadline_seconds: 2", "rewrite: true")
SEARCHER = READER.replace("name: Reader", "name: Searcher\nserver_tools: [knowledge]")
KEYS = Passage("k1", "", "d1", "Handbook", "The keys hang behind the bar.", 0, page=3)
WINE = Passage("w1", "", "d2", "Cellar book", "The keys of the cellar are in the clock.", 0)
SOUP = Passage("s1", "", "d3", "Menu", "Borsch is served with garlic bread.", 0)


@pytest.fixture(scope="module")
def upstream() -> Iterator[ScriptedUpstream]:
    """An upstream of this file's own: the log of the suite's is compared with another house's books."""
    with running_upstream() as started:
        yield started


@pytest.fixture(scope="module")
def double() -> Iterator[RagDouble]:
    """The double of the RAG service."""
    with running_rag_double() as started:
        started.library.offer("handbook", Readers(everyone=True), KEYS, SOUP)
        started.library.offer("cellar", Readers(users=("sommelier@maitre.example",)), WINE)
        yield started


@pytest.fixture(scope="module")
def reading_hall(
    tmp_path_factory: pytest.TempPathFactory, upstream: ScriptedUpstream, double: RagDouble
) -> Iterator[Hall]:
    """A gateway of a house with knowledge."""
    folder = tmp_path_factory.mktemp("knowledge")
    assistants = {"reader": READER, "asker": ASKER, "searcher": SEARCHER}
    text = HOUSE + KNOWING.replace("{", "{{").replace("}", "}}")
    with seeded_hall(folder, upstream.url, text, assistants) as hall:
        put_up(hall.house, double)
        hall.start("gateway")
        yield hall


@pytest.fixture
def client(reading_hall: Hall, double: RagDouble) -> Client:
    """A fresh guest on the widest plan, with a key; the service is well."""
    double.fault = ""
    double.asked.clear()
    guest = reading_hall.guest()
    return Client(reading_hall, guest, reading_hall.key(guest))


def prompts(client: Client, upstream: ScriptedUpstream, eventually: Callable[..., Any], count: int = 1) -> list[str]:
    """The system messages of the guest's calls, in order; each is a settled row."""
    rows = eventually(lambda: client.hall.settled(client.guest, count))
    ids = [row["request_id"] for row in rows]
    calls = sorted((one for one in upstream.calls if one.request_id in ids), key=lambda one: one.number)
    assert len(calls) == count
    return [str(call.body["messages"][0]["content"]) for call in calls]


@pytest.mark.parametrize("streamed", [False, True])
def test_the_passage_is_in_the_prompt_and_among_the_sources(
    client: Client, upstream: ScriptedUpstream, double: RagDouble, eventually: Callable[..., Any], streamed: bool
) -> None:
    """Of the collection that the guest may read, and of no other; the service was asked on the guest's behalf, in the
    turn that the answer names."""
    answer = client.chat("Where are the keys?", model="assistants.reader", stream=streamed)
    assert answer.status_code == 200, answer.text
    if streamed:
        (sources,) = [chunk["sources"] for chunk in chunks(answer) if "sources" in chunk]
    else:
        sources = answer.json()["sources"]
    (source,) = sources
    assert source == {
        "number": 1,
        "title": "Handbook",
        "document": "d1",
        "collection": "handbook",
        "passages": [{"id": "k1", "text": KEYS.text, "page": 3}],
    }
    (prompt,) = prompts(client, upstream, eventually)
    assert KEYS.text in prompt
    assert WINE.text not in answer.text + prompt
    (asked,) = double.asked
    assert asked["question"] == "Where are the keys?"
    claims = asked["claims"]
    assert (claims["sub"], claims["assistant"]) == (client.guest["id"], "reader")
    assert claims["turn"] == answer.headers["x-router-log-id"]
    assert "x-knowledge" not in answer.headers


def test_an_invocation_has_sources_too(client: Client) -> None:
    """Scripts read them beside the output."""
    answer = client.post("/api/v1/assistants/reader/invoke", {"input": "Where are the keys?"}).json()
    assert [one["title"] for one in answer["sources"]] == ["Handbook"]


@pytest.mark.parametrize("fault", ["silent", "503", "401", "broken", "nonsense"])
def test_a_service_in_trouble_costs_the_guest_nothing(
    client: Client, upstream: ScriptedUpstream, double: RagDouble, eventually: Callable[..., Any], fault: str
) -> None:
    """An answer without passages, which says so in a header; the row is as any other. When the service is well it is
    asked again, if not at once."""
    double.fault = fault
    for streamed in (False, True):
        answer = client.chat("Where are the keys?", model="assistants.reader", stream=streamed)
        assert answer.status_code == 200
        assert answer.headers.get("x-knowledge") == (None if fault == "nonsense" else "unavailable")
        assert KEYS.text not in answer.text
    assert all(KEYS.text not in prompt for prompt in prompts(client, upstream, eventually, 2))
    double.fault = ""
    eventually(lambda: KEYS.text in client.chat("Where are the keys?", model="assistants.reader").text)


def test_a_question_rewritten_is_two_rows_and_one_request(
    client: Client, upstream: ScriptedUpstream, double: RagDouble, eventually: Callable[..., Any]
) -> None:
    """The scripted upstream answers the small call with its sentence; that is what is looked for."""
    talk = [("user", "Is there a bar?"), ("assistant", "Yes."), ("user", "Where are its keys?")]
    answer = client.post(
        "/v1/chat/completions",
        {"model": "assistants.asker", "messages": [{"role": role, "content": text} for role, text in talk]},
    )
    assert answer.status_code == 200, answer.text
    rows = eventually(lambda: client.hall.settled(client.guest, 2))
    assert sorted((row["kind"], row["counted"]) for row in rows) == [("task", 0), ("turn", 1)]
    assert {row["turn_id"] for row in rows} == {answer.headers["x-router-log-id"]}
    (asked,) = double.asked
    assert asked["question"] == "The kitchen is open tonight."
    assert client.hall.agrees(client.guest)


def test_the_model_searches_by_itself(
    client: Client, upstream: ScriptedUpstream, double: RagDouble, eventually: Callable[..., Any]
) -> None:
    """With the tool of the house; what it found is a source as well."""
    asked = script(("knowledge", {"query": "borsch with garlic"}))
    answer = client.chat(asked, model="assistants.searcher")
    sources = answer.json()["sources"]
    assert SOUP.text in json.dumps(sources)
    rows = eventually(lambda: client.hall.settled(client.guest, 2))
    assert [row["kind"] for row in reversed(rows)] == ["turn", "tool"]
    assert [one["claims"]["sub"] for one in double.asked] == [client.guest["id"]] * 2
    assert double.asked[1]["question"] == "borsch with garlic"


def browsed(client: Client, text: str, **body: Any) -> requests.Response:
    """A browser's turn, as Open WebUI posts it through its connection to the gateway."""
    house, model = client.hall.house, "assistants.reader"
    made = Stamp(client.guest["id"], model, uuid.uuid4().hex, int(time.time()) + 60, browser=True, chat_id="c1")
    whole = {
        "model": model,
        "messages": [{"role": "user", "content": text}],
        "stream": True,
        KEY: sign(made, house.secret("stamp")),
        **body,
    }
    headers = {
        "Authorization": f"Bearer {house.secret('gateway_key')}",
        "X-OpenWebUI-User-Jwt": mint(house.secret("user_jwt"), client.guest),
    }
    return requests.post(f"{client.url}/v1/chat/completions", json=whole, headers=headers, timeout=60)


def test_a_browser_sees_a_chip(client: Client) -> None:
    """Through Open WebUI's connection: an event before the first word, and nothing in the chunks."""
    told = chunks(browsed(client, "Where are the keys?"))
    assert told[0]["event"] == {
        "type": "source",
        "data": {
            "source": {"id": "d1", "name": "Handbook, p. 3"},
            "document": [KEYS.text],
            "metadata": [{"source": "d1", "name": "Handbook, p. 3", "page": 2}],
        },
    }
    assert not [chunk for chunk in told[1:] if "event" in chunk or "sources" in chunk]


def test_an_upstream_cannot_show_a_chip(client: Client) -> None:
    """Neither by an event nor by sources of its own."""
    event = {"event": {"type": "source", "data": {"source": {"name": "Fake"}, "document": ["x"], "metadata": [{}]}}}
    raw = [f"data: {json.dumps(event)}\n\n", f"data: {json.dumps({'sources': [event['event']['data']]})}\n\n"]
    answer = browsed(client, "script:" + json.dumps({"raw": raw}))
    assert answer.status_code == 200
    assert "Fake" not in answer.text
