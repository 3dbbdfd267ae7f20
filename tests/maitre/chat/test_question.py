"""What is looked for: the guest's last message, or a question that a model makes of the conversation."""

from __future__ import annotations

from typing import Any

import pytest

from maitre.chat import question
from maitre.chat.message import Guest, TurnRequest

FRAN = Guest("u1", "fran@x.io", "Fran")


def request(*messages: Any) -> TurnRequest:
    """A request with these messages."""
    return TurnRequest(FRAN, "assistants.reader", list(messages), {})


@pytest.mark.parametrize(
    ("content", "asked"),
    [
        ("  Where?\n", "Where?"),
        ([{"type": "text", "text": "Where?"}, {"type": "image_url", "image_url": {"url": "x"}}], "Where?"),
        ([{"type": "image_url", "image_url": {"url": "x"}}], ""),
        ("a\x00b\ud800", "ab"),
        ("x" * 1500 + "y" * 1500, "x" * 1000 + "\n" + "y" * 1000),
        (None, ""),
    ],
)
def test_the_last_message_is_asked(content: Any, asked: str) -> None:
    """Its text, without what no database takes; of a long one its beginning and its end."""
    said = request({"role": "user", "content": "before"}, {"role": "user", "content": content})
    assert question.asked(said) == asked


def test_a_conversation_is_told_as_a_text() -> None:
    """What guest and assistant said, the newest, each cut; neither system texts nor what tools said."""
    talk = [
        {"role": "system", "content": "You coach."},
        *[{"role": "user", "content": f"old {number}"} for number in range(9)],
        {"role": "assistant", "content": "z" * 1000},
        {"role": "tool", "content": "42"},
        {"role": "user", "content": "And there?"},
    ]
    body = question.to_rewrite({"model": "m", "messages": talk}, None)
    assert body is not None
    assert list(body) == ["model", "messages"]
    text = body["messages"][1]["content"]
    assert text.endswith("Assistant: " + "z" * 600 + "\n\nGuest: And there?")
    assert "old 3" in text
    assert "old 2" not in text
    assert "You coach" not in text
    assert "42" not in text


@pytest.mark.parametrize(
    "talk", [[], [{"role": "user", "content": "Hi"}], [{"role": "user", "content": [{"type": "x"}]}]]
)
def test_nothing_around_it_is_nothing_to_rewrite(talk: list[Any]) -> None:
    """Then no call is made."""
    assert question.to_rewrite({"model": "m", "messages": talk}, None) is None


def test_a_models_question_is_made_plain() -> None:
    """One line without quotes, of a bounded length."""
    assert question.cleaned(' "Where are\n the keys?" ') == "Where are the keys?"
    assert len(question.cleaned("x" * 9999)) == 2000
