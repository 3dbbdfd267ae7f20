"""What is on the wire: the upstream's events, nothing else, and one end."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
import requests

from tests.engine.answers import DONE, error_in, script
from tests.engine.hall import Hall
from tests.engine.servers import BOTH
from tests.upstream import ScriptedUpstream

pytestmark = BOTH

ANSWERS: dict[str, dict[str, Any]] = {
    "short": {},
    "long": {"n": 3000},
    "slow": {"n": 20, "interval_ms": 20},
    "crlf": {"n": 50, "crlf": True},
    "comments": {"n": 50, "comments": True},
    "comments-crlf-odd-chunks": {"n": 20, "comments": True, "crlf": True, "chunk_bytes": 7},
    "byte-by-byte": {"text": "Вітаю 👋 світе", "chunk_bytes": 1, "crlf": True},
    "control-characters": {"nul": True},
    "reasoning": {"n": 5, "reasoning": 5},
    "tool-calls": {"tool_calls": [{"name": "look", "arguments": {"a": "\n\n"}}]},
    "odd-finish": {"finish_reason": "content_filter"},
    "no-done": {"no_done": True},
    "no-usage": {"usage": False},
    "empty": {"n": 0},
    "line-breaks": {"text": "a\n\nb\r\nc\u2028d data: [DONE] e"},
    "large-event": {"text": "x" * 1_000_000},
}


@pytest.mark.parametrize("model", ["models.scripted", "assistants.host"])
@pytest.mark.parametrize("answer", ANSWERS.values(), ids=ANSWERS)
def test_the_relay_is_plain(hall: Hall, upstream: ScriptedUpstream, model: str, answer: dict[str, Any]) -> None:
    """One event per upstream event, in order, with its choices and usage unchanged under our id and the public model,
    then exactly one [DONE]."""
    got = hall.raw(hall.guest(), script(**answer), model=model)

    sent = said_in(upstream)
    assert (got.status, got.headers["content-type"]) == (200, "text/event-stream; charset=utf-8")
    assert got.whole
    *events, end = got.events
    assert end == DONE
    heads, said = heads_and_said(events, model)
    assert said == sent
    assert len(heads) == 1


def said_in(upstream: ScriptedUpstream) -> list[dict[str, Any]]:
    """What the events of the upstream's last call say to a guest."""
    told = [json.loads(payload) for event in upstream.calls[-1].events if (payload := data_of(event)) != "[DONE]"]
    return [{name: one[name] for name in ("choices", "usage") if name in one} for one in told]


def data_of(event: bytes) -> str:
    """The data of an upstream event, without comments."""
    lines = event.decode("utf-8", "surrogateescape").replace("\r\n", "\n").split("\n")
    return "".join(line[6:] for line in lines if line.startswith("data:"))


def heads_and_said(events: list[bytes], model: str) -> tuple[set[tuple[str, int]], list[dict[str, Any]]]:
    """The ids and times of a guest's events, which name the public model, and what they say."""
    told = [json.loads(event[6:]) for event in events]
    heads = {(one.pop("id"), one.pop("created")) for one in told}
    assert all(id.startswith("chatcmpl-") and len(id) > 40 for id, _ in heads)
    assert {(one.pop("model"), one.pop("object")) for one in told} == {(model, "chat.completion.chunk")}
    return heads, told


def test_our_usage_is_apart_and_for_browsers_only(hall: Hall, upstream: ScriptedUpstream) -> None:
    """Where the upstream counts nothing, a browser's stream ends with one event of ours, an API client's does not."""
    guest = hall.guest()
    body = hall.body(guest, script(usage=False), stream=True)
    browser = hall.raw_post(hall.stamped(body), guest)
    sent = said_in(upstream)
    *events, end = browser.events
    heads, (*relayed, ours) = heads_and_said(events, "assistants.host")
    assert (relayed, end, len(heads)) == (sent, DONE, 1)
    assert ours["usage"]["completion_tokens"] > 0
    assert len(hall.raw_post(body, guest).events) == len(browser.events) - 1


def test_a_whole_answer_is_as_whole_as_a_long_one(
    hall: Hall, upstream: ScriptedUpstream, eventually: Callable[..., Any]
) -> None:
    """An answer that is not streamed may be longer than one read of a socket."""
    guest = hall.guest()
    for words in (1, 2_000, 60_000):
        answer = hall.chat(guest, script(n=words))
        assert answer.status_code == 200, answer.text
        assert answer.json()["choices"][0]["message"]["content"].count("word") == words
    rows = eventually(lambda: hall.settled(guest, 3))
    assert [row["completion_tokens"] for row in reversed(rows)] == [1, 2_000, 60_000]


def test_a_refusal_is_read_by_every_client(hall: Hall) -> None:
    """The sentence of a full window, streamed and whole, and a status from which a client can tell when to come back;
    the bare server has sent its 200 of a stream before it asks us."""
    guest = hall.guest("free")
    for _ in range(5):
        assert hall.chat(guest).status_code == 200
    whole = hall.chat(guest)
    assert (whole.status_code, whole.headers["retry-after"].isdigit()) == (429, True)
    streamed = hall.raw(guest)
    told = error_in(streamed)
    assert (told["code"], told["type"]) == (429, "rate_limit_error")
    if hall.manners.early_refusal == "status":
        assert (streamed.status, streamed.headers["retry-after"].isdigit()) == (429, True)
        assert whole.json()["error"] == told
    else:
        assert streamed.status == 200
    assert "requests for this minute (limit: 5)" in told["message"]
    assert "requests for this minute (limit: 5)" in whole.json()["detail"]


def test_all_plugins_are_loaded_by_file(hall: Hall) -> None:
    """The unmodified server serves our four plugins and somebody else's, and put nothing aside as failed."""
    loaded = requests.get(f"{hall.url}/pipelines", headers=hall.headers(), timeout=10).json()["data"]
    assert {(one["id"], one["type"]) for one in loaded} == {
        ("assistants", "manifold"),
        ("models", "manifold"),
        ("quota_filter", "filter"),
        ("tracing_filter", "filter"),
        ("neighbour", "manifold"),
    }
    assert list((hall.house.state / "pipelines").glob("failed/*")) == []
    models = requests.get(f"{hall.url}/models", headers=hall.headers(), timeout=10).json()["data"]
    assert {"assistants.host", "assistants.former", "models.scripted", "models.small"} <= {one["id"] for one in models}
