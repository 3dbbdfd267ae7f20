"""An upstream's error text in the log: useful to the operator, without a guest's words."""

from __future__ import annotations

import json
from typing import Any

import pytest

from maitre.chat.echo import GAP, LARGEST, without_quotations

PROMPT = 'My card is 4111-1111 and\nmy "friend" is Оксана Петренко.'


@pytest.mark.parametrize("content", [PROMPT, [{"type": "text", "text": PROMPT}]], ids=["text", "parts"])
@pytest.mark.parametrize("quoted", [PROMPT, json.dumps(PROMPT), json.dumps(PROMPT, ensure_ascii=False), PROMPT[9:40]])
def test_what_is_quoted_is_left_out(content: Any, quoted: str) -> None:
    """As it was said, escaped in either way, or in part."""
    told = without_quotations(f"Bad request: {quoted} (code 7)", [{"role": "user", "content": content}])
    assert told.startswith("Bad request")
    assert told.endswith("(code 7)")
    assert GAP in told
    assert not [word for word in ("4111", "Оксана", "u041e", "friend") if word in told]


def test_the_upstreams_own_words_stay() -> None:
    """Words that the guest happens to have used as well among them."""
    told = "The model gpt-x does not exist; key sk-12 is wrong."
    assert without_quotations(told, [{"role": "user", "content": "Does the model exist?"}]) == told


def test_a_long_conversation_is_not_searched() -> None:
    """That would hold up everybody; then nothing is shown."""
    messages = [{"role": "user", "content": "x" * LARGEST}]
    assert without_quotations("boom", messages) == "(4 characters, not shown beside so long a conversation)"


@pytest.mark.parametrize("messages", [[], [5], ["a"], [{"content": {1: None}}]])
def test_odd_messages_do_no_harm(messages: Any) -> None:
    """Whatever a client sent."""
    assert without_quotations("The upstream failed.", messages) == "The upstream failed."


def test_a_conversation_that_is_nested_too_deeply_does_no_harm() -> None:
    """It is somebody's attempt; nothing is shown."""
    value: Any = 1
    for _ in range(100_000):
        value = [value]
    assert "not shown" in without_quotations("boom", [{"role": "user", "files": value}])
