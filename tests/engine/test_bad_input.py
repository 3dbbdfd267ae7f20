"""What no client should send, at the server itself: a clear error, nothing half-applied, no traceback."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
import requests

from tests.engine.answers import error_in
from tests.engine.hall import Hall
from tests.engine.servers import BOTH
from tests.raw_socket import RawAnswer
from tests.upstream import ScriptedUpstream

pytestmark = BOTH

Eventually = Callable[..., Any]


def said(content: Any) -> dict[str, Any]:
    """A body's messages: one of the user's with this content."""
    return {"messages": [{"role": "user", "content": content}]}


def nested(depth: int) -> Any:
    """A list in a list in a list."""
    value: Any = 1
    for _ in range(depth):
        value = [value]
    return value


PARTS = [{"type": "text", "text": None}, {"type": "text", "text": "  "}]

#: What is changed in a good body; the status; words of the sentence. The upstream hears of none.
REFUSED: dict[str, tuple[dict[str, Any], int, str]] = {
    "no-messages": ({"messages": []}, 400, "empty"),
    "empty": (said(""), 400, "empty"),
    "blank": (said(" \n\t "), 400, "empty"),
    "control-characters-only": (said("\x00\x07"), 400, "empty"),
    "no-parts": (said([]), 400, "empty"),
    "empty-parts": (said(PARTS), 400, "empty"),
    "system-only": ({"messages": [{"role": "system", "content": "Obey."}]}, 400, "empty"),
    "unknown-role": ({"messages": [{"role": "king", "content": "x"}]}, 400, "role"),
    "too-long-for-the-model": ({"model": "models.small", **said("x" * 2_000_000)}, 400, "too long"),
    "too-long-for-anybody": (said("x" * 9_000_000), 400, "too long"),
    "refused-by-nobody": ({"model": "assistants.refused"}, 404, "no “assistants.refused”"),
}
#: Bodies that say somebody else asks, or nobody.
SOMEBODY: dict[str, Any] = {
    "by-name": "admin",
    "without-id": {"email": "a@b.c"},
    "empty-id": {"id": "", "email": "a@b.c"},
}
#: The same, refused before an engine's turn begins, so also without a stream's 200. What the host knows better than the
#: server's own schema comes last, with the words that the host has for it.
REFUSED_BEFORE: dict[str, tuple[dict[str, Any], int, str]] = {
    "unknown-door": ({"model": "x"}, 404, "x"),
    "filter-as-model": ({"model": "quota_filter"}, 404, "quota_filter"),
    "null-model": ({"model": None}, 422, "valid string"),
    "unknown-assistant": ({"model": "assistants.nobody"}, 404, "assistants.nobody"),
    "unknown-model": ({"model": "models.nobody"}, 404, "models.nobody"),
}
MISSHAPEN: dict[str, tuple[dict[str, Any], str, str]] = {
    "null-content": (said(None), "content", "empty"),
    "number-content": (said(5), "content", "content"),
    "object-content": (said({"a": 1}), "content", "content"),
    "no-content": ({"messages": [{"role": "user"}]}, "Field required", "empty"),
    "text-message": ({"messages": ["hello"]}, "messages", "role"),
    "text-messages": ({"messages": "hello"}, "messages", "role"),
    "number-messages": ({"messages": 5}, "messages", "role"),
    "null-messages": ({"messages": None}, "messages", "empty"),
}
#: Bodies that are no JSON object in UTF-8.
BROKEN: dict[str, bytes] = {
    "not-json": b"hello",
    "nothing": b"",
    "a-list": b"[]",
    "nul": b"\0" * 8,
    "cut-off": b'{"model": "assistants.host", "messages": [',
    "not-utf-8": b'{"model":"assistants.host","messages":[{"role":"user","content":"\xff\xfe"}],"user":{"id":"x"}}',
}
#: What is odd but harms nobody: it is left out, or capped, or passed on; the guest gets an answer.
HARMLESS: dict[str, dict[str, Any]] = {
    **{f"max-tokens-{kind}": {"max_tokens": value} for kind, value in {
        "negative": -1, "zero": 0, "huge": 10**30, "text": "7", "true": True, "null": None, "half": 1.5, "list": [1],
        "not-a-number": float("nan"), "infinite": float("inf"),
    }.items()},
    "max-completion-tokens-huge": {"max_completion_tokens": 10**30},
    "many-answers": {"n": 1000, "best_of": 1000},
    "unknown-keys": {"plan": "business", "quota": {"a": 1}, "maitre": 5, "metadata": "x", "chat_id": 5},
    "our-key": {"maitre": "ы.ы"},
    "our-key-nested": {"maitre": nested(50)},
    "surrogate": said("a\ud800b"),
    "nul": said("a\0b"),
    "two-megabytes": said("я " * 700_000),
    "many-messages": {"messages": [{"role": "user", "content": "x"}] * 20_000},
    "odd-parts": said([{"type": "text", "text": "x"}, {"type": 5}, {"type": "text", "text": {"a": 1}}]),
    "odd-name": {"messages": [{"role": "user", "content": "x", "name": nested(100), "colour": "red"}]},
    "odd-tool-calls": {"messages": [{"role": "user", "content": "x", "tool_calls": "look"}]},
    "stream-options": {"stream_options": "x"},
}  # fmt: skip


def sentence(answer: RawAnswer, stream: bool) -> tuple[int, str]:
    """The status and the words of an error, from the body or from the stream's error event."""
    if stream and answer.status == 200:
        error = error_in(answer)
        return error["code"], error["message"]
    return answer.status, str(json.loads(answer.body)["detail"])


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])
@pytest.mark.parametrize(("change", "status", "says"), REFUSED.values(), ids=REFUSED)
def test_bad_input_is_refused_in_a_sentence(
    hall: Hall, upstream: ScriptedUpstream, change: dict[str, Any], status: int, says: str, stream: bool
) -> None:
    """The guest reads what is wrong; no upstream call, no row, no hold, no traceback."""
    guest, log, before = hall.guest(), hall.fresh_log(), len(upstream.calls)
    code, words = sentence(hall.raw_post({**hall.body(guest, stream=stream), **change}, guest), stream)
    assert (code, says in words) == (status, True), words
    nothing_happened(hall, upstream, guest, before)
    assert "Traceback" not in log()


@pytest.mark.parametrize("user", [*SOMEBODY.values(), None], ids=[*SOMEBODY, "nobody"])
def test_who_asks_is_not_for_the_body_to_say(hall: Hall, upstream: ScriptedUpstream, user: Any) -> None:
    """The host believes the token and refuses a body that says otherwise; the bare server has only the body, and
    refuses one that names nobody."""
    guest, before = hall.guest(), len(upstream.calls)
    answer = hall.raw_post({**hall.body(guest), "user": user}, guest)
    if hall.manners.believes == "token" and user is None:
        assert (answer.status, len(upstream.calls)) == (200, before + 1)
        return
    status, says = (401, "not the one of the signed token") if hall.manners.believes == "token" else (400, "who asks")
    assert (answer.status, says in json.loads(answer.body)["detail"]) == (status, True)
    nothing_happened(hall, upstream, guest, before)


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])
@pytest.mark.parametrize(("change", "status", "says"), REFUSED_BEFORE.values(), ids=REFUSED_BEFORE)
def test_what_is_refused_before_a_turn_begins(
    hall: Hall, upstream: ScriptedUpstream, change: dict[str, Any], status: int, says: str, stream: bool
) -> None:
    """The error names the fault, as a real status in both cases; nothing else happens."""
    guest, log, before = hall.guest(), hall.fresh_log(), len(upstream.calls)
    answer = hall.raw_post({**hall.body(guest, stream=stream), **change}, guest)
    assert (answer.status, says in answer.body.decode()) == (status, True), answer.body
    nothing_happened(hall, upstream, guest, before)
    assert "Traceback" not in log()


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])
@pytest.mark.parametrize(("change", "schema", "sentence"), MISSHAPEN.values(), ids=MISSHAPEN)
def test_messages_that_are_none(
    hall: Hall, upstream: ScriptedUpstream, change: dict[str, Any], schema: str, sentence: str, stream: bool
) -> None:
    """The bare server's schema refuses them in its own words, the host's engine in a sentence; nothing else happens."""
    guest, log, before = hall.guest(), hall.fresh_log(), len(upstream.calls)
    answer = hall.raw_post({**hall.body(guest, stream=stream), **change}, guest)
    says = sentence if hall.manners.misshapen == 400 else schema
    assert (answer.status, says in answer.body.decode()) == (hall.manners.misshapen, True), answer.body
    nothing_happened(hall, upstream, guest, before)
    assert "Traceback" not in log()


@pytest.mark.parametrize("body", BROKEN.values(), ids=BROKEN)
def test_a_body_that_is_no_json(hall: Hall, upstream: ScriptedUpstream, body: bytes) -> None:
    """Bytes that are no JSON in UTF-8 are a client's fault with a reason, not the server's."""
    log, before = hall.fresh_log(), len(upstream.calls)
    answer = hall.raw_post(body, hall.guest())
    status = 400 if b"\xff" in body else hall.manners.unreadable
    assert (answer.status, bool(json.loads(answer.body)["detail"])) == (status, True)
    assert len(upstream.calls) == before
    assert "Traceback" not in log()


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])
@pytest.mark.parametrize("change", HARMLESS.values(), ids=HARMLESS)
def test_oddities_gain_and_break_nothing(
    hall: Hall, upstream: ScriptedUpstream, eventually: Eventually, change: dict[str, Any], stream: bool
) -> None:
    """The plan's cap goes upstream as a whole number, no key of ours or of nobody's does, and the call is one row."""
    guest, log, before = hall.guest(), hall.fresh_log(), len(upstream.calls)
    answer = hall.raw_post({**hall.body(guest, stream=stream), **change}, guest)
    assert (answer.status, b"tonight." in answer.body) == (200, True), answer.body[-300:]
    (call,) = upstream.calls[before:]
    assert call.body["max_tokens"] == 100_000
    assert type(call.body["max_tokens"]) is int
    assert call.body.keys() <= {"model", "messages", "max_tokens", "stream", "stream_options"}
    (row,) = eventually(lambda: hall.settled(guest))
    assert (row["status"], row["request_id"], row["counted"]) == ("done", call.request_id, 1)
    eventually(lambda: hall.agrees(guest))
    assert "Traceback" not in log()


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])
def test_deep_nesting_is_the_clients_fault(hall: Hall, upstream: ScriptedUpstream, stream: bool) -> None:
    """A parameter that is nested beyond sense is refused like any other bad request."""
    guest, log, before = hall.guest(), hall.fresh_log(), len(upstream.calls)
    text = json.dumps(hall.body(guest, stream=stream, stop="DEEP")).replace('"DEEP"', "[" * 900 + "]" * 900)
    code, _ = sentence(hall.raw_post(text.encode(), guest), stream)
    nothing_happened(hall, upstream, guest, before)
    assert code == 400
    assert "Traceback" not in log()


def test_a_message_beyond_the_days_tokens(hall: Hall, upstream: ScriptedUpstream) -> None:
    """Two megabytes under a small plan: the sentence says what is left and what would be needed; nothing is spent."""
    guest, before = hall.guest("free"), len(upstream.calls)
    answer = hall.chat(guest, "x" * 2_000_000)
    assert answer.status_code == 429
    assert "limit: 20000, left: 20000" in answer.json()["detail"]
    nothing_happened(hall, upstream, guest, before)
    assert hall.chat(guest).status_code == 200


def nothing_happened(hall: Hall, upstream: ScriptedUpstream, guest: dict[str, str], before: int) -> None:
    """No upstream call since, no row, nothing held or counted."""
    assert len(upstream.calls) == before
    assert hall.rows(guest) == []
    assert {(one["used"], one["held"]) for one in hall.windows(guest).values()} == {(0, 0)}


@pytest.mark.parametrize("change", [said("a\ud800b"), {"metadata": {"chat_id": "\ud800"}}], ids=["text", "chat-id"])
def test_a_foreign_turn_that_cannot_go_on_is_not_charged(hall: Hall, change: dict[str, Any]) -> None:
    """What the filter's inlet hands back must be sendable; where it is not, no row and no hold are left behind."""
    guest = hall.guest()
    form = {"body": {**hall.body(guest), "model": "somebody-elses", **change}, "user": guest}
    answer = requests.post(f"{hall.url}/quota_filter/filter/inlet", json=form, headers=hall.headers(), timeout=30)
    assert (answer.status_code, len(hall.rows(guest))) in ((200, 1), (400, 0), (500, 0))
