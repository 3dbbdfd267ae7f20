"""A browser's chat, seen from its socket and from both books: tools, titles, Stop, errors, usage, languages."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from tests.e2e.both_books import both_books
from tests.e2e.browser_chat import browser_chat
from tests.e2e.inn import Guest, Inn, script
from tests.upstream import Call, ScriptedUpstream

pytestmark = pytest.mark.e2e

MakeGuest = Callable[..., Guest]
Books = Callable[[Guest], list[tuple[Any, Call]]]


@pytest.fixture
def books(running_house: Inn, upstream: ScriptedUpstream) -> Books:
    """Every row of a guest with its upstream call, the oldest first."""
    return lambda guest: both_books(running_house, upstream, guest)


def test_a_chat_goes_on_and_is_kept(running_house: Inn, guest: MakeGuest, books: Books) -> None:
    """Two questions are one saved chat: the second knows the first, and what was heard is what is stored."""
    wide = guest("wide")
    with browser_chat(running_house, wide, "assistants.scripted") as chat:
        first = chat.ask(script(n=3, task={"text": '{"title": "Soup"}'}))
        chat.until(lambda: chat.finished(first), "the answer did not end")
        second = chat.ask("and now?")
        chat.until(lambda: chat.finished(second), "the answer did not end")
    assert chat.pieces(first) == ["word0 ", "word1 ", "word2 "]
    assert chat.stored(second)["content"] == chat.answer(second) == "The kitchen is open tonight."
    assert chat.title == "Soup"
    rows = books(wide)
    turns = [call for row, call in rows if row["kind"] == "turn"]
    assert [message["role"] for message in turns[1].body["messages"]] == ["system", "user", "assistant", "user"]
    assert {row["door"] for row, _ in rows} == {"browser"}
    assert {row["chat_id"] for row, _ in rows} == {chat.chat_id}
    assert sorted((row["kind"], row["counted"]) for row, _ in rows) == [("task", 0)] * 4 + [("turn", 1)] * 2


def test_a_tool_loop_is_one_request_and_one_trace(running_house: Inn, guest: MakeGuest, books: Books) -> None:
    """Open WebUI's own tools reach the model; the call after a tool's answer is a row of kind tool in the same turn."""
    wide = guest("wide")
    before = _used(running_house, wide)
    with browser_chat(running_house, wide, "assistants.scripted-tools") as chat:
        question = chat.ask(script(tool_calls=[{"name": "get_current_timestamp", "arguments": {}}], tool_rounds=2))
        chat.until(lambda: chat.finished(question), "the answer did not end")
    assert chat.answer(question) == "The kitchen is open tonight."
    loop = [(row, call) for row, call in books(wide) if row["kind"] != "task"]
    assert [(row["kind"], row["counted"], row["status"]) for row, _ in loop] == [
        ("turn", 1, "done"),
        ("tool", 0, "done"),
        ("tool", 0, "done"),
    ]
    assert len({row["turn_id"] for row, _ in loop}) == len({row["trace_id"] for row, _ in loop}) == 1
    names = {tool["function"]["name"] for tool in loop[0][1].body["tools"]}
    assert "get_current_timestamp" in names
    assert '"current_timestamp"' in loop[-1][1].body["messages"][-1]["content"]
    assert _used(running_house, wide) == before + 1


def test_an_assistant_without_tools_gets_none(running_house: Inn, guest: MakeGuest, books: Books) -> None:
    """An assistant for plain talk is sent no tool descriptions, which would cost the guest tokens."""
    wide = guest("wide")
    with browser_chat(running_house, wide, "assistants.scripted") as chat:
        question = chat.ask("hello")
        chat.until(lambda: chat.finished(question), "the answer did not end")
    assert not [call for _, call in books(wide) if call.body.get("tools")]


def test_json_is_one_piece_after_a_repair(running_house: Inn, guest: MakeGuest, books: Books) -> None:
    """A JSON answer is held until it is valid, and then comes whole; the repair is a row and no request."""
    wide = guest("wide")
    with browser_chat(running_house, wide, "assistants.scripted-json") as chat:
        question = chat.ask(script(texts=['{"a": ', '{"a": 2}'], id=wide.user_id))
        chat.until(lambda: chat.finished(question), "the answer did not end")
    assert chat.pieces(question) == ['{"a": 2}']
    turn, repair = [row for row, _ in books(wide) if row["kind"] != "task"]
    assert [(row["kind"], row["counted"]) for row in (turn, repair)] == [("turn", 1), ("repair", 0)]
    assert turn["turn_id"] == repair["turn_id"]
    usage = chat.stored(question)["usage"]
    assert usage["total_tokens"] == sum(row["prompt_tokens"] + row["completion_tokens"] for row in (turn, repair))


def test_stop_settles_what_was_relayed(running_house: Inn, guest: MakeGuest, books: Books) -> None:
    """Stop keeps the text, ends the upstream call, and leaves one stopped row between the relayed and the hold."""
    wide = guest("wide")
    with browser_chat(running_house, wide, "assistants.scripted") as chat:
        question = chat.ask(script(n=3000, interval_ms=20))
        chat.until(lambda: len(chat.pieces(question)) > 5, "no answer came")
        chat.stop()
        chat.until(lambda: chat.stopped(question), "nothing was stopped")
    ((row, call),) = [(row, call) for row, call in books(wide) if row["kind"] == "turn"]
    assert (row["status"], row["estimated"], row["counted"]) == ("stopped", True, 1)
    assert call.ended == "client gone"
    assert len(chat.pieces(question)) <= row["completion_tokens"] <= 3000
    assert chat.stored(question)["content"].strip() == chat.answer(question).strip()
    assert {window["held"] for window in running_house.windows(wide).values()} == {0}


@pytest.mark.parametrize(
    ("accident", "written"),
    [({"status": 500}, ""), ({"error_after": 3, "n": 9}, "word0 word1 word2"), ({"cut_after": -1}, "")],
    ids=["refused", "broken", "cut"],
)
def test_an_error_is_a_sentence_below_what_was_written(
    running_house: Inn, guest: MakeGuest, books: Books, accident: dict[str, Any], written: str
) -> None:
    """The upstream's trouble ends in one stored sentence and one row of status error."""
    wide = guest("wide")
    with browser_chat(running_house, wide, "assistants.scripted") as chat:
        question = chat.ask(script(**accident))
        chat.until(lambda: chat.finished(question), "the answer did not end")
    stored = chat.stored(question)
    assert stored["content"] == written
    told = stored["error"]["content"]  # of a stream the whole error, of a real HTTP error its sentence
    assert (told["message"] if written else told) == chat.error(question)
    assert (chat.error(question) or "").endswith(".")
    assert [row["status"] for row, _ in books(wide) if row["kind"] == "turn"] == ["error"]


def test_an_answer_without_usage_is_counted_for_the_page(running_house: Inn, guest: MakeGuest, books: Books) -> None:
    """Our own count is stored with the answer; the ledger marks it as an estimate."""
    wide = guest("wide")
    with browser_chat(running_house, wide, "assistants.scripted") as chat:
        question = chat.ask(script(n=9, usage=False))
        chat.until(lambda: chat.finished(question), "the answer did not end")
    usage = chat.stored(question)["usage"]
    assert usage["prompt_tokens"] > 0
    assert usage["completion_tokens"] > 0
    turn = next(row for row, _ in books(wide) if row["kind"] == "turn")
    assert (turn["estimated"], turn["status"]) == (True, "done")


@pytest.mark.parametrize(
    ("language", "begins"),
    [("uk-UA", "Ви використали запити"), ("ru-RU", "Вы использовали"), ("de-DE", "You have used")],
)
def test_a_refusal_speaks_the_guests_language(running_house: Inn, guest: MakeGuest, language: str, begins: str) -> None:
    """The page's language decides; one that we do not have gives the house's."""
    free = guest("free")
    for _ in range(5):
        assert running_house.chat(free, "assistants.scripted", "hello").status_code == 200
    with browser_chat(running_house, free, "assistants.scripted", language) as chat:
        question = chat.ask("hello")
        chat.until(lambda: chat.error(question), "there was no sentence")
    assert (chat.error(question) or "").startswith(begins)
    assert chat.answer(question) == ""


def _used(inn: Inn, guest: Guest) -> int:
    """The guest's counted requests."""
    return sum(row["counted"] for row in inn.rows(guest))
