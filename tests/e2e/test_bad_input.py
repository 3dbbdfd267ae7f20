"""What no client should send, through the whole of Open WebUI: a clear error, and nothing half-applied."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import requests

from tests.e2e.inn import Guest, Inn, error_of
from tests.upstream import ScriptedUpstream

pytestmark = pytest.mark.e2e

MakeGuest = Callable[..., Guest]
DOORS = ["/api", "/openai"]


def said(content: Any) -> dict[str, Any]:
    """A body's messages: one of the user's with this content."""
    return {"messages": [{"role": "user", "content": content}]}


#: What is changed in a good body, and words of the answer. Statuses are Open WebUI's, which has its own before ours.
REFUSED: dict[str, tuple[dict[str, Any], str]] = {
    "no-messages": ({"messages": []}, ""),
    "empty": (said(""), "empty"),
    "blank": (said(" \n "), "empty"),
    "null-content": (said(None), ""),
    "number-content": (said(5), ""),
    "unknown-role": ({"messages": [{"role": "king", "content": "x"}]}, ""),
    "unknown-model": ({"model": "assistants.nobody"}, ""),
    "null-model": ({"model": None}, ""),
    "too-long": ({"model": "assistants.general", **said("x" * 2_000_000)}, "too long"),
}
HARMLESS: dict[str, dict[str, Any]] = {
    "max-tokens-negative": {"max_tokens": -1},
    "max-tokens-huge": {"max_tokens": 10**18},
    "max-tokens-text": {"max_tokens": "many"},
    "max-tokens-true": {"max_tokens": True},
    "two-megabytes": said("я " * 700_000),
    "control-characters": said("a\0b\x07"),
}


@pytest.mark.parametrize("door", DOORS)
@pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])
@pytest.mark.parametrize(("change", "says"), REFUSED.values(), ids=REFUSED)
def test_bad_input_is_refused(
    running_house: Inn,
    guest: MakeGuest,
    upstream: ScriptedUpstream,
    change: dict[str, Any],
    says: str,
    stream: bool,
    door: str,
) -> None:
    """The client reads an error, as a status or as an error event; no upstream call, no row, nothing held."""
    wide, before = guest("wide"), len(upstream.calls)
    answer = send(running_house, wide, door, {"stream": stream, **change})
    if stream and answer.status_code == 200:
        assert says in (error_of(answer) or "no error at all"), "a stream's 200 must carry an error event"
    else:
        assert 400 <= answer.status_code < 600
        assert says in answer.text
    assert len(upstream.calls) == before
    nothing_happened(running_house, wide)


@pytest.mark.parametrize("door", DOORS)
@pytest.mark.parametrize("change", HARMLESS.values(), ids=HARMLESS)
def test_oddities_gain_nothing(
    running_house: Inn,
    guest: MakeGuest,
    upstream: ScriptedUpstream,
    eventually: Callable[..., Any],
    change: dict[str, Any],
    door: str,
) -> None:
    """The plan's cap holds and the call is one settled row, whatever was asked for."""
    wide, before = guest("wide"), len(upstream.calls)
    answer = send(running_house, wide, door, {"stream": False, **change})
    assert answer.status_code == 200, answer.text[:300]
    (call,) = upstream.calls[before:]
    assert call.body["max_tokens"] == 4000
    (row,) = eventually(lambda: running_house.settled(wide))
    assert (row["request_id"], row["status"]) == (call.request_id, "done")


@pytest.mark.parametrize("door", DOORS)
@pytest.mark.parametrize(
    "raw",
    [
        b'{"model": "assistants.scripted", "messages": [{"role": "user", "content": "\xff\xfe"}]}',
        b"hello",
        b"",
        b"[]",
        b'{"model": "assistants.scripted", "messages"',
    ],
    ids=["not-utf-8", "not-json", "nothing", "a-list", "cut-off"],
)
def test_a_body_that_is_no_json(
    running_house: Inn, guest: MakeGuest, upstream: ScriptedUpstream, raw: bytes, door: str
) -> None:
    """Bytes that are no JSON object end as an error, and reach nothing behind Open WebUI."""
    wide, before = guest("wide"), len(upstream.calls)
    answer = running_house.call(
        "POST", f"{door}/chat/completions", wide, data=raw, headers={"Content-Type": "application/json"}
    )
    assert answer.status_code >= 400
    assert len(upstream.calls) == before
    nothing_happened(running_house, wide)


def send(inn: Inn, guest: Guest, door: str, change: dict[str, Any]) -> requests.Response:
    """A good body with something changed in it."""
    body = {"model": "assistants.scripted", **said("hello"), **change}
    return inn.call("POST", f"{door}/chat/completions", guest, json=body, stream=bool(body.get("stream")))


def nothing_happened(inn: Inn, guest: Guest) -> None:
    """No row, nothing held or counted, and the guest is served as if nothing had been."""
    assert inn.rows(guest) == []
    assert {(one["used"], one["held"]) for one in inn.windows(guest).values()} == {(0, 0)}
    assert inn.chat(guest, "assistants.scripted", "hello").status_code == 200
