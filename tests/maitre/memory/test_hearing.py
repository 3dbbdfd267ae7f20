"""An answer put together again from its chunks."""

from __future__ import annotations

from typing import Any

from maitre.memory.hearing import MOST, Hearing


def heard(*deltas: dict[str, Any], finish: str | None = "stop") -> Hearing:
    """A hearing of these deltas."""
    hearing = Hearing()
    for delta in deltas:
        hearing.hear({"choices": [{"index": 0, "delta": delta}]})
    hearing.hear({"choices": [{"index": 0, "delta": {}, "finish_reason": finish}]})
    hearing.hear({"choices": [], "usage": {"prompt_tokens": 1}})
    return hearing


def call(index: int, arguments: str, **more: str) -> dict[str, Any]:
    """A delta with a piece of a tool call."""
    function = {"arguments": arguments} | ({"name": more["name"]} if "name" in more else {})
    known = {"id": more["id"]} if "id" in more else {}
    return {"tool_calls": [{"index": index, "type": "function", "function": function, **known}]}


def test_the_text_is_put_together_and_made_safe() -> None:
    """Without reasoning, other choices and characters that no database holds."""
    hearing = heard({"role": "assistant", "content": "Hel"}, {"reasoning_content": "hm"}, {"content": "lo\0"})
    hearing.hear({"choices": [{"index": 1, "delta": {"content": "other"}}]})
    assert hearing.message == {"role": "assistant", "content": "Hello"}


def test_tool_calls_are_put_together_by_their_index() -> None:
    """Two calls whose arguments come in pieces."""
    hearing = heard(
        call(0, '{"a"', id="c0", name="add"), call(1, "{}", id="c1", name="sub"), call(0, ":1}"), finish="tool_calls"
    )
    assert hearing.message == {
        "role": "assistant",
        "content": "",
        "tool_calls": [
            {"id": "c0", "type": "function", "function": {"name": "add", "arguments": '{"a":1}'}},
            {"id": "c1", "type": "function", "function": {"name": "sub", "arguments": "{}"}},
        ],
    }


def test_of_an_answer_that_broke_off_the_text_stays() -> None:
    """Half a tool call means nothing; nothing at all is no message."""
    assert heard({"content": "Hel"}, call(0, '{"a"', id="c"), finish=None).message == {
        "role": "assistant",
        "content": "Hel",
    }
    assert heard(call(0, '{"a"', id="c"), finish=None).message is None
    assert heard().message is None


def test_an_answer_without_end_is_bounded() -> None:
    """Only so much of it is kept in memory."""
    message = heard(*({"content": "x" * 10_000} for _ in range(50))).message
    assert message is not None
    assert len(message["content"]) == MOST


def test_a_whole_answer_is_heard_like_a_stream() -> None:
    """Its message is the one delta."""
    hearing = Hearing()
    hearing.hear(
        {"choices": [{"index": 0, "message": {"role": "assistant", "content": "Yes"}, "finish_reason": "stop"}]}
    )
    assert (hearing.message, hearing.ended) == ({"role": "assistant", "content": "Yes"}, True)
