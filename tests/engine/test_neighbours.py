"""Somebody else's plugin beside ours: upstream's own code serves it, in the host as in the bare server."""

from __future__ import annotations

import json
from typing import Any

import pytest
import requests

from tests.engine.answers import error_in
from tests.engine.hall import Hall
from tests.engine.servers import BOTH


def contents(body: bytes) -> str:
    """The text of a stream."""
    events = [json.loads(event[6:]) for event in body.split(b"\n\n") if event.startswith(b"data: {")]
    return "".join(choice["delta"].get("content") or "" for event in events for choice in event["choices"])


@BOTH
@pytest.mark.parametrize(
    ("kind", "answer"),
    [("text", "You said hello"), ("pieces", "You said hello"), ("events", "hello"), ("lines", "hello")],
)
def test_a_plugins_stream_is_passed_on(hall: Hall, kind: str, answer: str) -> None:
    """Strings, generators of pieces and of objects, and an iterator of finished events."""
    got = hall.raw(hall.guest(), "hello", model=f"neighbour.{kind}")
    assert (got.status, got.headers["content-type"]) == (200, "text/event-stream; charset=utf-8")
    assert contents(got.body) == answer
    assert got.body.count(b"[DONE]") == 1


@pytest.mark.parametrize(
    ("kind", "answer"), [("text", "You said hello"), ("object", "hello"), ("pieces", "You said hello")]
)
def test_a_plugins_whole_answer_is_passed_on(hall: Hall, kind: str, answer: str) -> None:
    """A string, an object, a generator that the server joins."""
    got = hall.chat(hall.guest(), "hello", model=f"neighbour.{kind}")
    assert (got.status_code, got.json()["choices"][0]["message"]["content"]) == (200, answer)


@BOTH
def test_its_models_are_listed_beside_ours_and_its_valves_work(hall: Hall) -> None:
    """With the key, everything that Open WebUI's pages for plugins do."""
    listed = requests.get(f"{hall.url}/v1/models", headers=hall.headers(), timeout=10).json()["data"]
    assert {"neighbour.text", "assistants.host"} <= {one["id"] for one in listed}
    url = f"{hall.url}/neighbour/valves"
    assert requests.get(url, headers=hall.headers(), timeout=10).json() == {"pipelines": ["*"]}
    told = requests.post(f"{url}/update", json={"pipelines": ["x"]}, headers=hall.headers(), timeout=10)
    assert (told.status_code, told.json()) == (200, {"pipelines": ["x"]})
    requests.post(f"{url}/update", json={}, headers=hall.headers(), timeout=10).raise_for_status()


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])
def test_a_plugin_learns_who_asks_from_the_token(hall: Hall, stream: bool) -> None:
    """With or without a `user` in the body, which a guest could write."""
    guest = hall.guest()
    body: dict[str, Any] = {**hall.body(guest, stream=stream), "model": "neighbour.who"}
    for one in (body, {name: value for name, value in body.items() if name != "user"}):
        assert guest["id"].encode() in hall.raw_post(one, guest).body


def test_a_history_without_content_is_accepted(hall: Hall) -> None:
    """OpenAI's clients send `content: null` with tool calls; upstream's own schema refuses it."""
    guest = hall.guest()
    messages = [{"role": "assistant", "content": None, "tool_calls": []}, {"role": "user", "content": "hello"}]
    answer = hall.post({**hall.body(guest), "model": "neighbour.first", "messages": messages}, guest)
    assert answer.json()["choices"][0]["message"]["content"] == "''"
    ours = hall.post({**hall.body(guest), "messages": messages}, guest)
    assert (ours.status_code, ours.json()["choices"][0]["finish_reason"]) == (200, "stop")


def test_a_plugin_that_fails_is_an_error_in_json(hall: Hall) -> None:
    """And an error event in a stream, which must not look like a whole answer."""
    guest = hall.guest()
    whole = hall.chat(guest, "hello", model="neighbour.raises")
    assert (whole.status_code, whole.json()["error"]["type"]) == (500, "server_error")
    assert "hello" not in whole.text
    for kind in ("raises", "raises-late", "answers-raise"):
        answer = hall.raw(guest, "hello", model=f"neighbour.{kind}")
        assert error_in(answer)["message"] == "The plugin that serves this model failed."
        assert b"hello" not in answer.body
    assert hall.chat(guest).status_code == 200
