"""What a guest sees of an upstream's answer: our id, the public model, and what the OpenAI API knows. Pure.

An allow-list: the upstream's model, ids, fingerprints, timings, prices and whatever else it tells stay behind.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from json.encoder import encode_basestring
from typing import Any

from maitre.chat.message import Usage
from maitre.chat.openai_wire import count

_CHUNK = "chat.completion.chunk"
_AFTER = '},"finish_reason":null}]}'

#: Keys of a delta or a message. `reasoning` and `images` are what several servers call theirs.
_SPOKEN = frozenset(
    ("role", "content", "reasoning_content", "reasoning", "refusal", "tool_calls", "function_call", "annotations")
    + ("audio", "images")
)
_DETAILS = ("prompt_tokens_details", "completion_tokens_details")
_KNOWN_DETAILS = frozenset(
    ("cached_tokens", "audio_tokens", "reasoning_tokens", "accepted_prediction_tokens", "rejected_prediction_tokens")
)


class Disguise:
    """Of one turn's answer. `created` is in seconds since the epoch; `usage`: whether a stream tells the upstream's
    usage where it comes; `annotations`: whether the upstream may name sources of its own."""

    def __init__(self, id: str, model: str, created: int, *, usage: bool = True, annotations: bool = True) -> None:
        self._usage, self._spoken = usage, _SPOKEN if annotations else _SPOKEN - {"annotations"}
        self._head = {"id": id, "created": created, "model": model}
        self._before = ""  # what is the same in every event with nothing but text, once there was one

    def event(self, chunk: Mapping[str, Any]) -> bytes | None:
        """The event of a streamed chunk, without its blank line; None when there is nothing in it for the guest."""
        text = _only_text(chunk, self._usage)
        if text is not None:
            # As nearly every one is: the rest is the same every time.
            try:
                return ((self._before or self._beginning()) + encode_basestring(text) + _AFTER).encode()
            except UnicodeEncodeError:
                pass  # half of a character, whose other half is in the next delta
        shown = self.chunk(chunk)
        return None if shown is None else _dump(shown)

    def _beginning(self) -> str:
        before = _dump({**self._head, "object": _CHUNK, "choices": [0]}).decode()[: -len("0]}")]
        self._before = before + '{"index":0,"delta":{"content":'
        return self._before

    def chunk(self, chunk: Mapping[str, Any]) -> dict[str, Any] | None:
        """The same as a value."""
        choices = self._choices(chunk, "delta")
        usage = _usage(chunk.get("usage")) if self._usage else None
        if not choices and usage is None:
            return None
        shown = {**self._head, "object": _CHUNK, "choices": choices}
        return shown if usage is None else {**shown, "usage": usage}

    def said(self, delta: Mapping[str, Any], finish_reason: str | None) -> bytes:
        """A chunk of our own."""
        choice = {"index": 0, "delta": delta, "finish_reason": finish_reason}
        return _dump({**self._head, "object": _CHUNK, "choices": [choice]})

    def used(self, usage: Usage) -> bytes:
        """The usage at the end of a stream, as `stream_options.include_usage` has it."""
        return _dump({**self._head, "object": _CHUNK, "choices": [], "usage": usage.to_openai()})

    def whole(self, answer: Mapping[str, Any]) -> dict[str, Any]:
        """An answer that is not streamed."""
        shown = {**self._head, "object": "chat.completion", "choices": self._choices(answer, "message")}
        usage = _usage(answer.get("usage"))
        return shown if usage is None else {**shown, "usage": usage}

    def _choices(self, answer: Mapping[str, Any], spoken: str) -> list[dict[str, Any]]:
        told = answer.get("choices")
        told = told if isinstance(told, list) else []
        return [self._choice(one, number, spoken) for number, one in enumerate(told) if isinstance(one, dict)]

    def _choice(self, choice: Mapping[str, Any], number: int, spoken: str) -> dict[str, Any]:
        said, index = choice.get(spoken), choice.get("index")
        known = said if isinstance(said, dict) else {}
        shown: dict[str, Any] = {
            "index": index if type(index) is int else number,
            spoken: {name: value for name, value in known.items() if name in self._spoken},
            "finish_reason": choice.get("finish_reason") or None,
        }
        if choice.get("logprobs"):
            shown["logprobs"] = choice["logprobs"]
        return shown


def _only_text(chunk: Mapping[str, Any], usage: bool) -> str | None:
    """The text of a chunk that has nothing else in it for the guest."""
    choices = chunk.get("choices")
    if type(choices) is not list or len(choices) != 1 or (usage and chunk.get("usage")):
        return None
    choice = choices[0]
    if type(choice) is not dict or choice.get("finish_reason") or choice.get("logprobs") or choice.get("index"):
        return None
    delta = choice.get("delta")
    if type(delta) is not dict or len(delta) != 1:
        return None
    text = delta.get("content")
    return text if type(text) is str else None


def _usage(told: object) -> dict[str, Any] | None:
    """Two counts and what is known of them; None when they are none. What a call costs the house stays behind."""
    if not isinstance(told, dict):
        return None
    prompt, completion = count(told.get("prompt_tokens")), count(told.get("completion_tokens"))
    if prompt is None or completion is None:
        return None
    shown: dict[str, Any] = Usage(prompt, completion).to_openai()
    for name in _DETAILS:
        if isinstance(details := told.get(name), dict):
            known = {key: value for key, value in details.items() if key in _KNOWN_DETAILS and count(value) is not None}
            if known:
                shown[name] = known
    return shown


def _dump(value: Mapping[str, Any]) -> bytes:
    try:
        return b"data: " + json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode()
    except UnicodeEncodeError:
        return b"data: " + json.dumps(value, separators=(",", ":")).encode()
