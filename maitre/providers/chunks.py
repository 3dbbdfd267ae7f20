"""OpenAI's answers, written from what another wire format said. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Head:
    """What every chunk of one answer begins with. `created`: Unix time in seconds."""

    id: str
    model: str
    created: int

    def chunk(self, delta: Mapping[str, Any], finish_reason: str | None = None) -> dict[str, Any]:
        """One streamed chunk."""
        choice = {"index": 0, "delta": dict(delta), "finish_reason": finish_reason}
        return {**self._named("chat.completion.chunk"), "choices": [choice]}

    def usage(self, usage: Mapping[str, Any]) -> dict[str, Any]:
        """The last chunk, with the usage and no choice."""
        return {**self._named("chat.completion.chunk"), "choices": [], "usage": dict(usage)}

    def whole(self, message: Mapping[str, Any], finish_reason: str, usage: Mapping[str, Any] | None) -> dict[str, Any]:
        """A whole answer."""
        choice = {"index": 0, "message": {"role": "assistant", **message}, "finish_reason": finish_reason}
        answer = {**self._named("chat.completion"), "choices": [choice]}
        return answer if usage is None else {**answer, "usage": dict(usage)}

    def _named(self, object: str) -> dict[str, Any]:
        return {"id": self.id, "object": object, "created": self.created, "model": self.model}


def usage_of(prompt: int, completion: int, cached: int | None = None) -> dict[str, Any]:
    """OpenAI's usage; `cached`: how many of the prompt's tokens came from a cache."""
    counts: dict[str, Any] = {
        "prompt_tokens": prompt,
        "completion_tokens": completion,
        "total_tokens": prompt + completion,
    }
    return counts if cached is None else {**counts, "prompt_tokens_details": {"cached_tokens": cached}}


def tool_call(index: int, id: object, name: object, arguments: str) -> dict[str, Any]:
    """A tool call as a stream's delta begins it."""
    function = {"name": name, "arguments": arguments}
    return {"index": index, "id": id, "type": "function", "function": function}


def folded(chunks: list[dict[str, Any]], head: Head) -> dict[str, Any]:
    """The whole answer that a stream of chunks makes. An error among them stands for it."""
    message: dict[str, Any] = {}
    calls: dict[int, dict[str, Any]] = {}
    finish, usage = "stop", None
    for chunk in chunks:
        if chunk.get("error"):
            return {"error": chunk["error"]}
        usage = chunk.get("usage", usage)
        for choice in chunk["choices"]:
            finish = choice["finish_reason"] or finish
            for name in ("content", "reasoning_content"):
                if choice["delta"].get(name):
                    message[name] = message.get(name, "") + choice["delta"][name]
            for call in choice["delta"].get("tool_calls") or ():
                known = calls.setdefault(call["index"], {**call, "function": {**call["function"], "arguments": ""}})
                known["function"]["arguments"] += call["function"]["arguments"]
    if calls:
        message["tool_calls"] = [{key: call[key] for key in ("id", "type", "function")} for call in calls.values()]
    return head.whole({"content": message.pop("content", None if calls else ""), **message}, finish, usage)
