"""Recorded cases of other wire formats: each request as it is sent, and each stream as OpenAI's chunks."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from maitre.errors import BadRequest
from maitre.providers import anthropic_answer, anthropic_wire, ollama_wire
from maitre.providers.chunks import Head, folded

CASES = Path(__file__).parents[2] / "cases" / "wire"
HEAD = Head("r1", "m", 1795231668)


def cases(format: str, field: str) -> list[Any]:
    """The cases of a format that have this field."""
    read = yaml.safe_load((CASES / f"{format}.yaml").read_text("utf-8"))
    return [pytest.param(format, case, id=f"{format}: {case['name']}") for case in read if field in case]


def sent(format: str, body: dict[str, Any]) -> dict[str, Any]:
    """What goes upstream for a body."""
    translate = anthropic_wire.request if format == "anthropic" else ollama_wire.request
    return translate(body, streamed=True)


def chunks_of(format: str, case: dict[str, Any]) -> list[dict[str, Any]]:
    """The chunks that the case's events make."""
    by_tool = anthropic_wire.answers_by_tool(case.get("body", {}))
    reader = anthropic_answer.Reader(HEAD, by_tool=by_tool) if format == "anthropic" else ollama_wire.Reader(HEAD)
    return [chunk for event in case["events"] for chunk in reader.read(event)]


def say(chunk: dict[str, Any]) -> Any:
    """A chunk in short, as the cases have it."""
    if "error" in chunk:
        return chunk
    told: dict[str, Any] = {}
    if usage := chunk.get("usage"):
        assert usage["total_tokens"] == usage["prompt_tokens"] + usage["completion_tokens"]
        cached = usage.get("prompt_tokens_details", {}).get("cached_tokens")
        told["usage"] = [usage["prompt_tokens"], usage["completion_tokens"], cached]
    for choice in chunk["choices"]:
        if choice["finish_reason"]:
            return choice["finish_reason"]
        told |= choice["delta"]
    return told


@pytest.mark.parametrize(("format", "case"), [*cases("anthropic", "sent"), *cases("ollama", "sent")])
def test_a_request_is_translated(format: str, case: dict[str, Any]) -> None:
    """Field by field, and nothing that the other API does not know."""
    before = json.dumps(case["body"])
    assert sent(format, case["body"]) == case["sent"]
    assert json.dumps(case["body"]) == before, "the body is another call's too"


@pytest.mark.parametrize(("format", "case"), [*cases("anthropic", "says"), *cases("ollama", "says")])
def test_a_stream_is_translated(format: str, case: dict[str, Any]) -> None:
    """Event by event, as the recorded stream came."""
    chunks = chunks_of(format, case)
    assert [say(chunk) for chunk in chunks] == case["says"]
    for chunk in chunks:
        if "error" not in chunk:
            head = {name: chunk[name] for name in ("id", "object", "created", "model")}
            assert head == {"id": "r1", "object": "chat.completion.chunk", "created": 1795231668, "model": "m"}


def test_a_whole_answer_of_anthropic_is_what_its_stream_would_be() -> None:
    """Text, a tool call without input, the stop reason and the cache."""
    message = {
        "type": "message",
        "content": [{"type": "text", "text": "Hi"}, {"type": "tool_use", "id": "t", "name": "now", "input": {}}],
        "stop_reason": "tool_use",
        "usage": {"input_tokens": 3, "cache_read_input_tokens": 4, "output_tokens": 5},
    }
    answer = anthropic_answer.Reader(HEAD, by_tool=False).whole(message)
    call = {"id": "t", "type": "function", "function": {"name": "now", "arguments": "{}"}}
    assert answer["choices"] == [
        {
            "index": 0,
            "message": {"role": "assistant", "content": "Hi", "tool_calls": [call]},
            "finish_reason": "tool_calls",
        }
    ]
    assert (answer["usage"]["prompt_tokens"], answer["usage"]["completion_tokens"]) == (7, 5)
    assert "error" in anthropic_answer.Reader(HEAD, by_tool=False).whole({"type": "error", "error": {"type": "x"}})


def test_a_whole_answer_of_ollama_that_is_not_done_is_none() -> None:
    """Half an answer must not pass for one."""
    assert ollama_wire.Reader(HEAD).whole({"message": {"content": "Hi"}}) == {}
    assert folded([{"error": {"message": "no"}}], HEAD) == {"error": {"message": "no"}}


@pytest.mark.parametrize("format", ["anthropic", "ollama"])
def test_a_part_that_cannot_be_read_is_named(format: str) -> None:
    """Sound is nothing for these APIs, and a request that lost it in silence would be answered wrongly."""
    sound = {"type": "input_audio", "input_audio": {"data": "aGk=", "format": "wav"}}
    with pytest.raises(BadRequest) as refused:
        sent(format, {"model": "m", "messages": [{"role": "user", "content": [sound]}]})
    assert refused.value.values == {"part": "input_audio"}


@pytest.mark.parametrize("cut", range(1, 24))
def test_lines_may_come_in_any_pieces(cut: int) -> None:
    """A line is read when it is whole, the last one at the end; what is no JSON object is an empty one."""
    data = b'{"done": false}\r\n\nnonsense\n[1]\n{"done": true}'
    lines, read = ollama_wire.Lines(), []
    for at in range(0, len(data), cut):
        read += lines.feed(data[at : at + cut])
    assert [*read, *lines.end()] == [{"done": False}, {}, {}, {"done": True}]
    assert lines.end() == []


def test_a_line_without_an_end_is_given_up() -> None:
    """A server that never ends its line must not fill the memory."""
    with pytest.raises(ValueError, match="too large"):
        ollama_wire.Lines().feed(b"x" * (ollama_wire.MAX_LINE + 1))


#: What a client may write into fields that nobody checks before the adapters.
ODD: list[object] = [
    None,
    0,
    7,
    "text",
    [],
    [7],
    {},
    {"type": "json_schema"},
    [{"function": 7}],
    {"function": {"name": []}},
]


@pytest.mark.parametrize("format", ["anthropic", "ollama"])
@pytest.mark.parametrize("field", ["tools", "tool_choice", "stop", "response_format", "temperature", "top_p"])
@pytest.mark.parametrize("value", ODD, ids=str)
def test_odd_parameters_are_translated_or_left_out(format: str, field: str, value: object) -> None:
    """Nothing that a client sends is a mistake of the house's."""
    sent(format, {"model": "m", "messages": [{"role": "user", "content": "Go"}], field: value})


@pytest.mark.parametrize("format", ["anthropic", "ollama"])
@pytest.mark.parametrize("value", ODD, ids=str)
def test_odd_tool_calls_are_translated_or_left_out(format: str, value: object) -> None:
    """A history may hold anything."""
    talk = [{"role": "assistant", "content": "x", "tool_calls": value}, {"role": "tool", "content": [{"type": "text"}]}]
    sent(format, {"model": "m", "messages": talk})
