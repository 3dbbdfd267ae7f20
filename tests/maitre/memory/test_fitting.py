"""Which stored turns go before a new one."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from maitre.memory.fitting import fitting, fresh, newest, newly_asked, paired, plain, unheard
from maitre.memory.session import SessionTurn

NOON = datetime(2026, 11, 21, 12, tzinfo=UTC)


def message(letter: str) -> dict[str, Any]:
    """One of: u user, a assistant, c assistant with a tool call, t tool, s system; with a digit of its own."""
    role = {"u": "user", "a": "assistant", "c": "assistant", "t": "tool", "s": "system"}[letter[0]]
    call = {"tool_calls": [{"id": "1", "type": "function", "function": {"name": "f", "arguments": "{}"}}]}
    return {"role": role, "content": letter} | (call if letter[0] == "c" else {})


def talk(text: str) -> list[dict[str, Any]]:
    """Messages, as `u1 a1 u2`."""
    return [message(word) for word in text.split()]


def turns(*texts: str) -> list[SessionTurn]:
    """Stored turns."""
    return [SessionTurn(f"t{place}", NOON, tuple(talk(text))) for place, text in enumerate(texts)]


def spelled(found: tuple[SessionTurn, ...]) -> list[str]:
    """The turns as they were written."""
    return [" ".join(one["content"] for one in turn.messages) for turn in found]


@given(st.lists(st.integers(0, 50), max_size=12), st.one_of(st.none(), st.integers(-20, 200)))
def test_the_newest_whole_turns_that_have_room(sizes: list[int], room: int | None) -> None:
    """A suffix, in order, that fits; one turn more would not."""
    stored = [SessionTurn(str(place), NOON, ()) for place in range(len(sizes))]
    found = fitting(stored, lambda turn: sizes[int(turn.id)], room)
    assert list(found) == stored[len(stored) - len(found) :]
    if room is None:
        assert len(found) == len(stored)
    else:
        taken = sum(sizes[len(sizes) - len(found) :])
        assert taken <= max(room, 0)
        assert len(found) == len(stored) or taken + sizes[len(sizes) - len(found) - 1] > room


@given(st.lists(st.integers(0, 30), max_size=8), st.integers(0, 100), st.integers(0, 50))
def test_more_room_never_takes_fewer_turns(sizes: list[int], room: int, more: int) -> None:
    """The rule is monotone."""
    stored = [SessionTurn(str(place), NOON, ()) for place in range(len(sizes))]

    def taken(within: int) -> int:
        return len(fitting(stored, lambda turn: sizes[int(turn.id)], within))

    assert taken(room) <= taken(room + more)


CASES = [
    pytest.param("u3", "u3", ["u1 a1", "u2 a2"], id="only what is new is sent"),
    pytest.param("u1 a1 u2 a2 u3", "u3", [], id="the whole conversation is sent"),
    pytest.param("u2 a2 u3", "u3", ["u1 a1"], id="a part of it is sent"),
    pytest.param("u1 a1 u9", "u9", ["u2 a2"], id="an old part is sent"),
    pytest.param("u2 a9 u3", "u2 a9 u3", ["u1 a1", "u2 a2"], id="another answer is another turn"),
    pytest.param("u1 a1 u2 a2", "a2", [], id="nothing new is sent: at least the last message counts"),
]


@pytest.mark.parametrize(("sent", "new", "recalled"), CASES)
def test_nothing_is_put_in_twice(sent: str, new: str, recalled: list[str]) -> None:
    """Turns that the client's messages hold stay out, and only what comes after them is kept."""
    stored = turns("u1 a1", "u2 a2")
    assert fresh(stored, talk(sent)) == tuple(talk(new))
    assert spelled(unheard(stored, talk(sent))) == recalled


@given(st.lists(st.sampled_from(["u1 a1", "u2 a2", "u3 a3"]), max_size=6), st.integers(0, 6))
def test_a_client_that_sends_its_history_has_it_once(history: list[str], from_: int) -> None:
    """Whatever end of its conversation a client sends, no stored turn of that end comes before it."""
    stored, sent = turns(*history), talk(" ".join([*history[from_:], "u9"]))
    assert not set(history[from_:]) & set(spelled(unheard(stored, sent)))
    assert fresh(stored, sent)[-1] == message("u9")


@pytest.mark.parametrize(
    ("stored", "after", "found"),
    [
        (["u1 a1"], "u2", ["u1 a1"]),
        (["u1 c1", "t1 a2"], "u2", ["u1 c1", "t1 a2"]),
        (["u1 c1"], "t1", ["u1 c1"]),
        (["u1 c1"], "u2", ["u1"]),
        (["c1"], "u2", []),
        (["t1 a1", "u2 a2"], "u3", ["u2 a2"]),
        (["t1 c1", "t2 a2", "u3 a3"], "u4", ["u3 a3"]),
        (["u1 c1", "u2 a2"], "u3", ["u1", "u2 a2"]),
        ([], "u1", []),
    ],
)
def test_tool_calls_and_answers_stay_together(stored: list[str], after: str, found: list[str]) -> None:
    """No call without its answer, no answer without its call."""
    assert spelled(paired(turns(*stored), talk(after))) == found


def test_what_is_remembered_of_a_message_is_text() -> None:
    """No pictures, no system messages, no fields of other dialects."""
    picture = {"type": "image_url", "image_url": {"url": "data:image/png;base64,AAAA"}}
    sent: list[dict[str, Any]] = [
        {"role": "system", "content": "Be kind."},
        {"role": "user", "content": [{"type": "text", "text": "What is this?"}, picture], "name": "Fran"},
        {"role": "assistant", "content": None, "tool_calls": [{"id": "1"}], "refusal": None},
        {"role": "tool", "content": "4", "tool_call_id": "1"},
    ]
    assert plain(sent) == (
        {"role": "user", "content": "What is this?", "name": "Fran"},
        {"role": "assistant", "content": "", "tool_calls": [{"id": "1"}]},
        {"role": "tool", "content": "4", "tool_call_id": "1"},
    )


@pytest.mark.parametrize(
    ("sent", "new"), [("u1", "u1"), ("u1 a1 u2", "u2"), ("u1 c1 t1", "u1 c1 t1"), ("a1", "a1"), ("u1 u2", "u2")]
)
def test_of_a_whole_conversation_the_last_question_is_new(sent: str, new: str) -> None:
    """With the tool calls that came after it."""
    assert newly_asked(talk(sent)) == tuple(talk(new))


def test_a_long_turn_keeps_its_last_messages() -> None:
    """The question before its answer at least, or nothing."""
    long = [{"role": "user", "content": "x" * 100} for _ in range(5)]
    assert len(newest(long, 450)) == 3
    assert newest(long, 10_000) == tuple(long)
    assert newest(long, 150) == ()
    assert len(newest(long[:1], 150)) == 1
