"""The size of a prompt where nobody can count it: cautious, then learned, rather too high than too low."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from maitre.providers.size import CAUTIOUS, MARGIN, PER_IMAGE, PER_MESSAGE, Ratios, weigh

PICTURE = {"type": "image_url", "image_url": {"url": "data:image/png;base64," + "A" * 1000}}


def body(*messages: dict[str, Any], **more: Any) -> dict[str, Any]:
    """A request with these messages."""
    return {"messages": list(messages), **more}


@pytest.mark.parametrize(
    ("request_body", "size", "extra"),
    [
        (body({"role": "user", "content": "abcd"}), 4, 2 * PER_MESSAGE),
        (body({"role": "user", "content": "їжак"}), 8, 2 * PER_MESSAGE),  # bytes, not letters
        (body({"role": "user", "content": ""}), 0, 2 * PER_MESSAGE),
        (body(), 0, PER_MESSAGE),
        (body({"role": "user", "content": "ab"}, {"role": "assistant", "content": "cd"}), 4, 3 * PER_MESSAGE),
        (
            body({"role": "user", "content": [{"type": "text", "text": "abc"}, PICTURE, PICTURE]}),
            3,
            2 * PER_MESSAGE + 2 * PER_IMAGE,
        ),
    ],
)
def test_what_a_prompt_weighs(request_body: dict[str, Any], size: int, extra: int) -> None:
    """Text by its UTF-8 bytes, a picture by a fixed number of tokens, every message with its template."""
    assert weigh(request_body) == (size, extra)


@pytest.mark.parametrize(
    "more",
    [
        {"tools": [{"type": "function", "function": {"name": "search", "description": "x" * 200}}]},
        {"response_format": {"type": "json_schema", "json_schema": {"schema": {"x": "y" * 200}}}},
    ],
)
def test_tools_and_schemas_weigh_too(more: dict[str, Any]) -> None:
    """What goes upstream beside the messages is part of the prompt."""
    plain = {"role": "user", "content": "a"}
    assert weigh(body(plain, **more))[0] > weigh(body(plain))[0] + 200


def test_tool_calls_in_the_history_weigh_too() -> None:
    """The arguments of earlier tool calls are text for the model."""
    call = {"id": "1", "type": "function", "function": {"name": "f", "arguments": "x" * 300}}
    assert weigh(body({"role": "assistant", "content": "", "tool_calls": [call]}))[0] > 300


@pytest.mark.parametrize(
    "message",
    [
        {"role": "user", "content": [{"type": "input_audio", "input_audio": {"data": "A" * 4000, "format": "wav"}}]},
        {"role": "user", "content": [{"type": "file", "file": {"file_data": "A" * 4000}}]},
        {"role": "user", "content": "a", "name": "n" * 4000},
        {"role": "assistant", "content": "a", "refusal": "r" * 4000},
    ],
    ids=["audio", "file", "name", "refusal"],
)
def test_nothing_that_goes_upstream_is_weightless(message: dict[str, Any]) -> None:
    """Whatever `prompt.build` lets through is held for, else a hold falls short of what is charged."""
    size, extra = weigh(body(message))
    assert size + extra > 1000


def test_an_unknown_model_is_guessed_cautiously() -> None:
    """Half a token a byte, rounded up, and one token at least."""
    ratios = Ratios()
    assert [ratios.tokens("m", size) for size in (0, 1, 2, 3, 1000)] == [0, 1, 1, 2, int(1000 * CAUTIOUS)]


@given(seen=st.lists(st.tuples(st.integers(512, 100_000), st.integers(1, 100_000)), min_size=1, max_size=30))
def test_a_guess_is_never_far_below_what_was_seen(seen: list[tuple[int, int]]) -> None:
    """A guess lies within what the observations span, with the margin above them."""
    ratios = Ratios()
    for size, tokens in seen:
        ratios.learn("m", size, tokens)
    observed = [min(tokens / size, 1.0) for size, tokens in seen]
    guess = ratios.tokens("m", 100_000)
    assert min(observed) * MARGIN * 100_000 - 1 <= guess <= max(observed) * MARGIN * 100_000 + 1


@given(size=st.integers(1, 10**7), ratio=st.floats(0.01, 1))
def test_a_steady_ratio_is_learned_and_stays_above(size: int, ratio: float) -> None:
    """After one honest observation the next prompt of that kind is not guessed too low."""
    ratios = Ratios()
    ratios.learn("m", 10_000, max(1, int(10_000 * ratio)))
    assert ratios.tokens("m", size) >= int(size * ratio)
    assert ratios.tokens("another", size) == -(-size // 2)


@pytest.mark.parametrize(("size", "tokens"), [(16, 40), (511, 500), (0, 5), (1000, 0), (1000, -5)])
def test_tiny_texts_and_no_tokens_teach_nothing(size: int, tokens: int) -> None:
    """The template around a short message has more tokens than it; it must not make every prompt look long."""
    ratios = Ratios()
    ratios.learn("m", size, tokens)
    assert ratios.tokens("m", 1000) == 500
