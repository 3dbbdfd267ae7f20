"""OpenAI's wire format: what an upstream's chunks tell us, and what our own events look like."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from maitre.chat import sse
from maitre.chat.message import Usage
from maitre.chat.openai_wire import KEPT, Answer, chunk, completion, error_chunk, images_in
from maitre.errors import BadRequest, QuotaExceeded

BEGAN = datetime(2026, 11, 21, 12, tzinfo=UTC)
LATER = BEGAN + timedelta(milliseconds=340)


def seen(*chunks: dict[str, Any]) -> Answer:
    """An answer that has come in these chunks."""
    answer = Answer(BEGAN)
    for one in chunks:
        answer.see(one, lambda: LATER)
    return answer


def delta(finish_reason: str | None = None, **fields: Any) -> dict[str, Any]:
    """A streamed chunk."""
    return {"choices": [{"index": 0, "delta": fields, "finish_reason": finish_reason}]}


def usage(prompt: object, completion: object) -> dict[str, Any]:
    """A chunk with usage and no choice."""
    return {"choices": [], "usage": {"prompt_tokens": prompt, "completion_tokens": completion, "total_tokens": 0}}


@pytest.mark.parametrize(
    ("chunks", "counted"),
    [
        ([usage(7, 2)], Usage(7, 2)),
        ([usage(7, 1), usage(7, 2), usage(7, 3)], Usage(7, 3)),  # cumulative: the last one wins
        ([usage(7, 2), delta("stop")], Usage(7, 2)),  # not in the last chunk
        ([{**delta("stop", content="x"), "usage": usage(7, 2)["usage"]}], Usage(7, 2)),  # beside a choice
        ([usage(0, 0)], Usage(0, 0)),
        ([usage(7, 2), {"choices": [], "usage": None}], Usage(7, 2)),
        ([usage(-7, 2)], None),
        ([usage(7, -2)], None),
        ([usage(True, 2)], None),
        ([usage("7", 2)], None),
        ([usage(7.0, 2)], None),
        ([usage(None, 2)], None),
        ([{"choices": [], "usage": {}}], None),
        ([{"choices": [], "usage": "many"}], None),
        ([usage(7, 2), usage(-1, 3)], Usage(7, 2)),  # a broken one does not replace a sound one
        ([delta("stop", content="x")], None),
    ],
)
def test_usage_is_two_counts_or_nothing(chunks: list[dict[str, Any]], counted: Usage | None) -> None:
    """The last sound pair of counts is the usage, wherever it stands; anything else is none."""
    assert seen(*chunks).usage == counted


@pytest.mark.parametrize(
    ("chunks", "text", "deltas"),
    [
        ([delta(role="assistant", content=""), delta(content="Hel"), delta(content="lo"), delta("stop")], "Hello", 2),
        ([delta(reasoning_content="hm"), delta(reasoning="m"), delta(content="!")], "hmm!", 3),
        ([delta(refusal="no")], "no", 1),
        (
            [
                delta(tool_calls=[{"index": 0, "function": {"name": "search", "arguments": ""}}]),
                delta(tool_calls=[{"index": 0, "function": {"arguments": '{"q":'}}]),
                delta(tool_calls=[{"index": 0, "function": {"arguments": "1}"}}]),
                delta("tool_calls"),
            ],
            'search{"q":1}',
            3,
        ),
        ([delta(content=None, tool_calls=None)], "", 0),
        ([delta(tool_calls=[{"index": 0}])], "", 0),
        ([{"choices": [{"message": {"role": "assistant", "content": "whole"}}]}], "whole", 1),
        ([{"choices": []}, {"choices": None}, {}], "", 0),
        ([{"event": {"type": "status"}}], "", 0),
    ],
)
def test_all_that_a_model_wrote_is_counted(chunks: list[dict[str, Any]], text: str, deltas: int) -> None:
    """Content, reasoning, refusals and tool calls alike are tokens that somebody generated."""
    answer = seen(*chunks)
    assert (answer.written, answer.deltas) == (text, deltas)
    assert answer.size == len(text.encode())
    assert (answer.first_token_at is not None) == (deltas > 0)


@pytest.mark.parametrize(
    "written",
    [{"content": [{"type": "text", "text": "parts"}]}, {"function_call": {"name": "f", "arguments": "{}"}}],
)
def test_what_other_dialects_write_is_counted_too(written: dict[str, Any]) -> None:
    """Content in parts (Mistral) and the older function_call are tokens as well."""
    assert seen(delta(**written)).size > 0


def test_the_first_token_is_the_first_that_was_written() -> None:
    """An empty opening chunk is no token, and later tokens do not move the moment."""
    answer = Answer(BEGAN)
    answer.see(delta(role="assistant", content=""), lambda: BEGAN)
    answer.see(delta(content="a"), lambda: LATER)
    answer.see(delta(content="b"), lambda: LATER + timedelta(seconds=1))
    assert answer.first_token_at == LATER


def test_an_error_and_an_ending_are_noticed() -> None:
    """The last finish_reason and any error object are kept, the latter cut."""
    answer = seen(delta(content="a"), delta("length"))
    assert answer.finish_reason == "length"
    assert seen({"error": {"message": "x" * 5000}}).error is not None
    assert len(seen({"error": "x" * 5000}).error or "") == 2000


def test_an_endless_answer_is_counted_but_not_kept() -> None:
    """What is kept is bounded; what is counted is everything."""
    answer = Answer(BEGAN)
    for _ in range(KEPT // 1024 + 100):
        answer.write("x" * 1024)
    assert len(answer.written) == KEPT
    assert answer.size == KEPT + 100 * 1024


def test_one_giant_delta_is_cut_to_what_may_be_kept() -> None:
    """A whole answer comes in one piece, so the bound must hold for one piece too."""
    answer = Answer(BEGAN)
    answer.write("x" * (KEPT * 2))
    assert len(answer.written) == KEPT


def test_our_chunks_are_openais() -> None:
    """A chunk and a whole answer have the API's shape."""
    head = {"id": "r1", "object": "chat.completion.chunk", "created": 5, "model": "assistants.x"}
    choice = {"index": 0, "delta": {"content": "ї"}, "finish_reason": None}
    assert sse.payload(chunk("r1", "assistants.x", 5, {"content": "ї"}, None)) == {**head, "choices": [choice]}
    counts = {"prompt_tokens": 7, "completion_tokens": 2, "total_tokens": 9}
    whole = completion("r1", "assistants.x", 5, "text", Usage(7, 2))
    assert whole["choices"] == [
        {"index": 0, "message": {"role": "assistant", "content": "text"}, "finish_reason": "stop"}
    ]
    assert (whole["usage"], whole["object"]) == (counts, "chat.completion")


def test_an_error_is_openais_and_its_code_is_the_status() -> None:
    """Open WebUI looks at `code` and shows `message`."""
    refused = QuotaExceeded("tokens_total", resets_at=None, retry_after=None)
    assert sse.payload(error_chunk(refused, "Used up.")) == {
        "error": {"message": "Used up.", "type": "rate_limit_error", "code": 429, "param": None}
    }
    other = sse.payload(error_chunk(BadRequest("empty_message"), "Empty."))
    assert other is not None
    assert other["error"]["code"] == 400


def test_images_are_counted_wherever_they_are() -> None:
    """Every image part of every message, and no text part."""
    picture = {"type": "image_url", "image_url": {"url": "data:,"}}
    messages: list[dict[str, Any]] = [
        {"content": [{"type": "text", "text": "a"}, picture, picture]},
        {"content": "text"},
        {"content": None},
        {"content": [{"type": "input_image"}]},
    ]
    assert images_in(messages) == 3
