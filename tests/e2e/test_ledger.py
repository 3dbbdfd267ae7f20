"""Every upstream call is exactly one ledger row, compared by request id with the scripted upstream's own log."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from tests.e2e.inn import Guest, Inn, error_of, script, text_of
from tests.upstream import Call, ScriptedUpstream

pytestmark = pytest.mark.e2e

MakeGuest = Callable[..., Guest]


class Book:
    """The calls of one guest in both books, each by its request id."""

    def __init__(self, inn: Inn, upstream: ScriptedUpstream, guest: Guest, eventually: Any) -> None:
        rows = eventually(lambda: inn.settled(guest), "a row stayed open")
        self.rows = {row["request_id"]: row for row in rows}
        self.calls = {call.request_id: call for call in upstream.calls if call.request_id in self.rows}
        assert len(self.rows) == len(rows)
        assert set(self.calls) == set(self.rows)

    @property
    def only(self) -> tuple[dict[str, Any], Call]:
        """The one row and its call."""
        ((request_id, row),) = self.rows.items()
        return row, self.calls[request_id]


@pytest.fixture
def book(running_house: Inn, upstream: ScriptedUpstream, eventually: Any) -> Callable[[Guest], Book]:
    """Opens the two books at a guest's page, once all is settled."""
    return lambda guest: Book(running_house, upstream, guest, eventually)


@pytest.mark.parametrize("door", ["/api", "/openai"])
@pytest.mark.parametrize("stream", [True, False], ids=["stream", "whole"])
def test_an_answer_is_a_row_with_the_upstreams_usage(
    running_house: Inn, guest: MakeGuest, book: Any, door: str, stream: bool
) -> None:
    """Tokens are the upstream's own, the cost is exact, and nothing is estimated."""
    wide = guest("wide")
    answer = running_house.chat(wide, "assistants.scripted", script(n=7), stream=stream, door=door)
    assert answer.status_code == 200
    assert not stream or text_of(answer)
    row, call = book(wide).only
    assert call.usage is not None
    assert (row["prompt_tokens"], row["completion_tokens"]) == (call.usage["prompt_tokens"], 7)
    assert row["cost"] == 1000 * row["prompt_tokens"] + 2000 * row["completion_tokens"]
    assert (row["estimated"], row["status"], row["kind"], row["counted"]) == (False, "done", "turn", 1)
    assert (row["provider"], row["model"], row["assistant"], row["currency"]) == (
        "scripted",
        "scripted",
        "scripted",
        "USD",
    )
    assert row["door"] == ("api" if door == "/api" else "openai")
    assert (row["first_token_ms"] is not None) == stream
    assert row["ended_at"] >= row["at"]


def test_an_upstream_without_usage_is_counted_and_marked(running_house: Inn, guest: MakeGuest, book: Any) -> None:
    """What the upstream does not count, we count, and say so."""
    wide = guest("wide")
    assert text_of(running_house.chat(wide, "assistants.scripted", script(n=30, usage=False), stream=True))
    row, _ = book(wide).only
    assert row["estimated"]
    assert row["status"] == "done"
    assert row["prompt_tokens"] > 0
    assert row["completion_tokens"] > 0


def test_a_client_that_hangs_up_pays_for_what_was_relayed(running_house: Inn, guest: MakeGuest, book: Any) -> None:
    """A disconnect ends the upstream call and leaves a row between what was relayed and the hold."""
    wide = guest("wide")
    answer = running_house.chat(wide, "assistants.scripted", script(n=2000, interval_ms=50), stream=True)
    lines = answer.iter_lines()
    for _ in range(6):
        next(lines)
    answer.close()
    row, call = book(wide).only
    assert row["status"] == "stopped"
    assert row["estimated"]
    assert call.ended == "client gone"
    assert 0 < row["completion_tokens"] <= 4000
    assert running_house.windows(wide)["tokens", "day"]["held"] == 0


def test_a_repair_is_a_row_of_its_own_kind_and_no_request(running_house: Inn, guest: MakeGuest, book: Any) -> None:
    """A JSON answer that is broken once is asked for again; the guest gets valid JSON in one piece."""
    wide = guest("wide")
    text = script(texts=["{broken", '{"a": 1}'], id=wide.user_id)
    answer = running_house.chat(wide, "assistants.scripted-json", text, stream=True)
    assert text_of(answer) == '{"a": 1}'
    rows = book(wide).rows.values()
    assert [(row["kind"], row["counted"]) for row in sorted(rows, key=lambda row: row["id"])] == [
        ("turn", 1),
        ("repair", 0),
    ]
    assert len({row["turn_id"] for row in rows}) == 1


def test_a_repair_that_fails_ends_in_one_sentence(running_house: Inn, guest: MakeGuest, book: Any) -> None:
    """After one repair there is a clear error and two rows."""
    wide = guest("wide")
    text = script(texts=["no", "still no"], id=wide.user_id)
    answer = running_house.chat(wide, "assistants.scripted-json", text)
    assert answer.status_code == 502
    assert "right form" in answer.text
    assert len(book(wide).rows) == 2


@pytest.mark.parametrize("stream", [True, False], ids=["stream", "whole"])
def test_an_upstream_error_is_a_row_without_tokens(
    running_house: Inn, guest: MakeGuest, book: Any, stream: bool
) -> None:
    """An upstream that refuses costs nothing but the request, and the guest reads a sentence."""
    wide = guest("wide")
    answer = running_house.chat(wide, "assistants.scripted", script(status=500, error="boom"), stream=stream)
    assert "answered with an error (code 500)" in (error_of(answer) or "" if stream else answer.text)
    row, _ = book(wide).only
    assert (row["status"], row["prompt_tokens"], row["completion_tokens"], row["cost"]) == ("error", 0, 0, 0)


@pytest.mark.parametrize("how", [{"cut_after": 3}, {"error_after": 3, "error": "boom"}], ids=["cut", "error"])
def test_a_stream_that_breaks_is_never_silent(
    running_house: Inn, guest: MakeGuest, book: Any, how: dict[str, Any]
) -> None:
    """A stream that breaks off ends with an error event, and what was relayed is charged."""
    wide = guest("wide")
    answer = running_house.chat(wide, "assistants.scripted", script(n=20, **how), stream=True)
    assert error_of(answer)
    row, _ = book(wide).only
    assert row["status"] == "error"
    assert row["estimated"]
    assert row["completion_tokens"] > 0


def test_an_api_tool_loop_is_as_many_rows_as_calls(running_house: Inn, guest: MakeGuest, book: Any) -> None:
    """An API client that runs its own tools makes a turn of every call."""
    wide = guest("wide")
    tools = [
        {"type": "function", "function": {"name": "now", "description": "the time", "parameters": {"type": "object"}}}
    ]
    asked = {"role": "user", "content": script(tool_calls=[{"name": "now", "arguments": "{}"}])}
    first = running_house.chat(wide, "models.scripted", "", messages=[asked], tools=tools).json()
    call = first["choices"][0]["message"]["tool_calls"][0]
    messages = [
        asked,
        {"role": "assistant", "content": "", "tool_calls": [call]},
        {"role": "tool", "tool_call_id": call["id"], "content": "noon"},
    ]
    second = running_house.chat(wide, "models.scripted", "", messages=messages, tools=tools)
    assert second.json()["choices"][0]["message"]["content"]
    assert [(row["kind"], row["counted"]) for row in book(wide).rows.values()] == [("turn", 1)] * 2


def test_a_task_is_a_row_of_its_kind(running_house: Inn, guest: MakeGuest, book: Any) -> None:
    """A title is written by the same upstream, and is on the same ledger."""
    wide = guest("wide")
    chat = [{"role": "user", "content": "hello"}, {"role": "assistant", "content": "hi"}]
    body = {"model": "assistants.scripted", "messages": chat, "chat_id": "x"}
    assert running_house.call("POST", "/api/v1/tasks/title/completions", wide, json=body).status_code == 200
    row, _ = book(wide).only
    assert (row["kind"], row["counted"]) == ("task", 0)


def test_every_turn_has_its_trace(running_house: Inn, guest: MakeGuest, book: Any, eventually: Any) -> None:
    """A trace carries the guest, the session, the verdict, usage and cost; its id is on the ledger."""
    from commands.traces import traces_of

    wide = guest("wide")
    assert running_house.chat(wide, "assistants.scripted", script(n=4)).status_code == 200
    row, _ = book(wide).only

    def found() -> Any:
        return next(
            (one for one in traces_of(running_house.house, wide.user_id, 10) if one["id"] == row["trace_id"]), None
        )

    trace = eventually(found, "the trace did not arrive")
    assert trace["name"] == "Scripted"
    assert trace["userId"] == wide.user_id
    assert {"door:api", "plan:wide", "assistant:scripted"} <= set(trace["tags"])
    assert trace["metadata"]["email"] == wide.email
    assert trace["metadata"]["verdict"] == "admitted"
    assert trace["totalCost"] == pytest.approx(row["cost"] / 1e9)


def test_a_failed_turn_has_a_trace_of_level_error(
    running_house: Inn, guest: MakeGuest, book: Any, eventually: Any
) -> None:
    """Whoever looks for failures finds them by their level."""
    wide = guest("wide")
    running_house.chat(wide, "assistants.scripted", script(status=503))
    row, _ = book(wide).only
    trace = eventually(lambda: running_house.trace(row["trace_id"]), "no trace")
    assert {observation["level"] for observation in trace["observations"]} == {"ERROR"}
