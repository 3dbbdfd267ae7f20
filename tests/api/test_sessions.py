"""Sessions on the real gateway: an assistant remembers, and only its guest can read, go on with or delete it."""

from __future__ import annotations

import json
import uuid
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
import requests

from maitre.assistants.assistant import Assistant
from maitre.memory.memory import Memory
from tests.api.conftest import Client
from tests.engine.hall import Hall
from tests.engine.seeded import serving
from tests.upstream import ScriptedUpstream

MEMORY = Assistant("butler", "Butler", "scripted", "You are the butler.", memory=Memory(load=10, keep=5))
WITHOUT = Assistant("porter", "Porter", "scripted", "You are the porter.")
MODEL = "assistants.butler"


@pytest.fixture(scope="module", autouse=True)
def assistants(whole_hall: Hall) -> Iterator[None]:
    """One assistant with a memory, and one without."""
    with serving(whole_hall, MEMORY, WITHOUT):
        yield


@pytest.fixture
def stranger(hall: Hall) -> Client:
    """Another guest, with a key of their own."""
    guest = hall.guest()
    return Client(hall, guest, hall.key(guest))


def chat(client: Client, text: str, **more: Any) -> requests.Response:
    """A chat with the assistant that remembers."""
    return client.chat(text, **{"model": MODEL, **more})


def turns(client: Client, id: str) -> list[list[str]]:
    """The texts of a session's turns."""
    answer = client.get(f"/v1/sessions/{id}")
    if answer.status_code == 404:
        return []
    return [[message["content"] for message in turn["messages"]] for turn in answer.json()["turns"]]


def sent(upstream: ScriptedUpstream) -> list[str]:
    """What the upstream was told last, after the system prompt."""
    return [message["content"] for message in upstream.calls[-1].body["messages"][1:]]


def test_a_session_goes_on(client: Client, upstream: ScriptedUpstream, eventually: Callable[..., Any]) -> None:
    """The server makes its id, tells it in body and header, takes it in either, and the row has it."""
    first = chat(client, "I am Fran.")
    id = first.json()["session_id"]
    assert first.headers["x-session-id"] == id
    said = first.json()["choices"][0]["message"]["content"]
    second = chat(client, "Who am I?", session_id=id)
    assert sent(upstream) == ["I am Fran.", said, "Who am I?"]
    assert second.json()["session_id"] == id
    body = {"model": MODEL, "messages": [{"role": "user", "content": "Sure?"}]}
    headers = {**client.headers, "X-Session-Id": id}
    third = requests.post(f"{client.url}/v1/chat/completions", json=body, headers=headers, timeout=30)
    assert third.headers["x-session-id"] == id
    assert len(sent(upstream)) == 5
    rows = eventually(lambda: client.hall.settled(client.guest, 3))
    assert {row["chat_id"] for row in rows} == {id}
    assert eventually(lambda: len(turns(client, id)) == 3)


def test_a_stream_tells_its_session(client: Client, eventually: Callable[..., Any]) -> None:
    """In the first chunk and in the header; what was streamed is remembered."""
    answer = chat(client, "I am Fran.", stream=True)
    lines = [line for line in answer.text.splitlines() if line.startswith("data: {")]
    chunks = [json.loads(line.removeprefix("data: ")) for line in lines]
    id = answer.headers["x-session-id"]
    assert [chunk.get("session_id") for chunk in chunks] == [id] + [None] * (len(chunks) - 1)
    text = "".join(choice["delta"].get("content") or "" for chunk in chunks for choice in chunk["choices"])
    assert eventually(lambda: turns(client, id)) == [["I am Fran.", text]]


def test_a_client_names_its_own_session(client: Client, eventually: Callable[..., Any]) -> None:
    """An id of its own makes the session; what is no id is 400, and so are two."""
    assert chat(client, "hello", session_id="telegram:-100@x").json()["session_id"] == "telegram:-100@x"
    assert eventually(lambda: turns(client, "telegram:-100@x"))
    every: tuple[Any, ...] = ("x" * 129, "a b", "a/b", "..", "ä", 7, ["x"], {}, True)
    for bad in every:
        answer = chat(client, "hello", session_id=bad)
        assert answer.status_code == 400, bad
        assert answer.json()["error"]["message"]
    body = {"model": MODEL, "session_id": "a", "messages": [{"role": "user", "content": "hello"}]}
    headers = {**client.headers, "X-Session-Id": "b"}
    assert requests.post(f"{client.url}/v1/chat/completions", json=body, headers=headers, timeout=30).status_code == 400


@pytest.mark.parametrize("more", [{"store": False}, {"model": "assistants.porter"}, {"model": "models.scripted"}])
def test_a_turn_that_stands_alone(client: Client, more: dict[str, Any]) -> None:
    """It leaves nothing, and says so to who named a session."""
    answer = chat(client, "hello", session_id="alone", **more)
    assert (answer.status_code, answer.headers["x-memory"]) == (200, "off")
    assert "session_id" not in answer.json()
    assert "x-session-id" not in answer.headers
    assert client.get("/v1/sessions").json()["data"] == []


def test_no_route_shows_a_foreign_session(
    client: Client, stranger: Client, upstream: ScriptedUpstream, eventually: Callable[..., Any]
) -> None:
    """Whoever knows its id cannot read, list, page from, go on with, change or delete it, by any door: to them it is
    the same as one that is not there."""
    id = chat(client, "The word is swordfish.").json()["session_id"]
    mine = eventually(lambda: turns(client, id))
    for known in (id, uuid.uuid4().hex):
        for method in ("GET", "DELETE"):
            answer = requests.request(
                method, f"{stranger.url}/v1/sessions/{known}", headers=stranger.headers, timeout=30
            )
            assert (answer.status_code, answer.json()["error"]["message"]) == (404, "There is no such session.")
        assert stranger.get(f"/v1/sessions?after={known}").status_code == 400
    assert stranger.get("/v1/sessions").json()["data"] == []
    tries = [
        chat(stranger, "What is the word?", session_id=id),
        chat(stranger, "And the word?", session_id=id, stream=True),
        stranger.post("/api/v1/assistants/butler/chat", {"session_id": id, "messages": _said("The word?")}),
        stranger.post("/api/v1/assistants/butler/invoke", {"session_id": id, "input": "Which word?"}),
        stranger.get("/api/v1/assistants/butler/invoke", params={"session_id": id, "input": "A word?"}),
    ]
    assert {answer.status_code for answer in tries} == {200}
    assert eventually(lambda: len(turns(stranger, id)) == 5)
    assert "swordfish" not in json.dumps([turns(stranger, id), [call.body for call in upstream.calls[-5:]]])
    assert turns(client, id) == mine
    requests.delete(f"{stranger.url}/v1/sessions/{id}", headers=stranger.headers, timeout=30)
    assert turns(client, id) == mine
    for route in ("/v1/sessions", f"/v1/sessions/{id}"):
        assert requests.get(client.url + route, timeout=30).status_code == 401


def test_a_key_sees_the_sessions_of_its_models(client: Client, eventually: Callable[..., Any]) -> None:
    """A key for certain models neither lists nor reads nor deletes those of others."""
    id = chat(client, "hello").json()["session_id"]
    assert eventually(lambda: turns(client, id))
    narrow = Client(client.hall, client.guest, client.hall.key(client.guest, models=("assistants.porter",)))
    assert narrow.get("/v1/sessions").json()["data"] == []
    assert narrow.get(f"/v1/sessions/{id}").status_code == 404
    answer = requests.delete(f"{narrow.url}/v1/sessions/{id}", headers=narrow.headers, timeout=30)
    assert answer.status_code == 404
    right = Client(client.hall, client.guest, client.hall.key(client.guest, models=(MODEL,)))
    assert [one["id"] for one in right.get("/v1/sessions").json()["data"]] == [id]
    assert requests.delete(f"{right.url}/v1/sessions/{id}", headers=right.headers, timeout=30).json()["deleted"]


def test_sessions_are_listed_and_deleted(client: Client, eventually: Callable[..., Any]) -> None:
    """The newest first, by pages; a deleted one is gone, and its words with it."""
    for number in range(3):
        chat(client, "hello", session_id=f"s{number}")
        eventually(lambda number=number: turns(client, f"s{number}"))
    page = client.get("/v1/sessions?limit=2").json()
    assert [one["id"] for one in page["data"]] == ["s2", "s1"]
    assert page["has_more"]
    assert {one["assistant"] for one in page["data"]} == {MODEL}
    rest = client.get("/v1/sessions?limit=2&after=s1").json()
    assert ([one["id"] for one in rest["data"]], rest["has_more"]) == (["s0"], False)
    for bad in ("0", "101", "x", "-1", "٣", ""):
        assert client.get(f"/v1/sessions?limit={bad}").status_code == 400, bad
    for unknown in ("", "s9", "%00", "%F0%9F%98%80", "x" * 4000):
        assert client.get(f"/v1/sessions?after={unknown}").status_code == 400, unknown
    gone = requests.delete(f"{client.url}/v1/sessions/s1", headers=client.headers, timeout=30)
    assert gone.json() == {"id": "s1", "object": "session.deleted", "deleted": True}
    assert client.get("/v1/sessions/s1").status_code == 404
    assert [one["id"] for one in client.get("/v1/sessions").json()["data"]] == ["s2", "s0"]


def test_many_turns_at_once_are_all_there(client: Client, eventually: Callable[..., Any]) -> None:
    """Each whole and once, and no more than are kept."""
    with ThreadPoolExecutor(5) as pool:
        codes = list(pool.map(lambda n: chat(client, f"n{n}", session_id="busy").status_code, range(5)))
    assert codes == [200] * 5
    assert eventually(lambda: len(turns(client, "busy")) == 5)
    assert sorted(turn[0] for turn in turns(client, "busy")) == [f"n{number}" for number in range(5)]
    chat(client, "n5", session_id="busy")
    assert eventually(lambda: turns(client, "busy")[-1][0] == "n5")
    assert len(turns(client, "busy")) == 5


def _said(text: str) -> list[dict[str, str]]:
    return [{"role": "user", "content": text}]
