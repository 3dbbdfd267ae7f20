"""The answers of Anthropic's Messages API, event by event or whole, as OpenAI's chunks. Pure."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from maitre.chat.openai_wire import count
from maitre.providers.chunks import Head, folded, tool_call, usage_of
from maitre.providers.content import mapping

FINISHED = {
    "max_tokens": "length",
    "model_context_window_exceeded": "length",
    "tool_use": "tool_calls",
    "refusal": "content_filter",
}

#: The HTTP status of each type of error, for one that comes in the middle of a stream.
STATUSES = {
    "invalid_request_error": 400,
    "authentication_error": 401,
    "billing_error": 402,
    "permission_error": 403,
    "not_found_error": 404,
    "request_too_large": 413,
    "rate_limit_error": 429,
    "api_error": 500,
    "timeout_error": 504,
    "overloaded_error": 529,
}


class Reader:
    """Reads one answer. `by_tool`: the input of the only tool is the answer's text."""

    def __init__(self, head: Head, *, by_tool: bool) -> None:
        self._head, self._by_tool = head, by_tool
        self._usage: dict[str, int] = {}
        self._calls: dict[str, int] = {}  # blocks that are tool calls: their number
        self._silent: dict[str, str] = {}  # those of them that no input has come for: what they began with

    def read(self, event: Mapping[str, Any]) -> list[dict[str, Any]]:
        """The chunks that an event makes; none for a ping or an event that nobody knows yet."""
        match event.get("type"):
            case "message_start":
                self._count(mapping(mapping(event.get("message")).get("usage")))
                return [{**self._head.chunk({"role": "assistant", "content": ""}), "usage": self._told()}]
            case "content_block_start":
                return self._begin(str(event.get("index")), mapping(event.get("content_block")))
            case "content_block_delta":
                return self._go_on(str(event.get("index")), mapping(event.get("delta")))
            case "content_block_stop":
                return self._close(str(event.get("index")))
            case "message_delta":
                self._count(mapping(event.get("usage")))
                return self._finish(mapping(event.get("delta")).get("stop_reason"))
            case "message_stop":
                return [self._head.usage(self._told())]
            case "error":
                return [{"error": error_of(event)}]
        return []

    def whole(self, message: Mapping[str, Any]) -> dict[str, Any]:
        """A whole answer, read as the events that it could have come in."""
        if message.get("type") == "error" or message.get("error"):
            return {"error": error_of(message)}
        chunks = self.read({"type": "message_start", "message": message})
        blocks = message.get("content")
        for index, block in enumerate(blocks if isinstance(blocks, list) else ()):
            chunks += self.read({"type": "content_block_start", "index": index, "content_block": block})
            chunks += self.read({"type": "content_block_stop", "index": index})
        chunks += self._finish(message.get("stop_reason")) + self.read({"type": "message_stop"})
        return folded(chunks, self._head)

    def _begin(self, index: str, block: Mapping[str, Any]) -> list[dict[str, Any]]:
        match block.get("type"):
            case "text":
                return self._text("content", block.get("text"))
            case "thinking":
                return self._text("reasoning_content", block.get("thinking"))
            case "tool_use":
                number = self._calls[index] = len(self._calls)
                self._silent[index] = json.dumps(mapping(block.get("input")), ensure_ascii=False)
                if self._by_tool:
                    return []
                return [self._call(tool_call(number, block.get("id"), block.get("name"), ""))]
        return []

    def _go_on(self, index: str, delta: Mapping[str, Any]) -> list[dict[str, Any]]:
        match delta.get("type"):
            case "text_delta":
                return self._text("content", delta.get("text"))
            case "thinking_delta":
                return self._text("reasoning_content", delta.get("thinking"))
            case "input_json_delta" if index in self._calls and delta.get("partial_json"):
                self._silent.pop(index, None)
                return self._input(index, str(delta["partial_json"]))
        return []

    def _close(self, index: str) -> list[dict[str, Any]]:
        # A tool without parameters gets no input at all; OpenAI's clients parse "{}", and not "".
        return self._input(index, self._silent.pop(index)) if index in self._silent else []

    def _input(self, index: str, text: str) -> list[dict[str, Any]]:
        if self._by_tool:
            return self._text("content", text)
        return [self._call({"index": self._calls[index], "function": {"arguments": text}})]

    def _finish(self, reason: object) -> list[dict[str, Any]]:
        if not isinstance(reason, str):
            return []
        told = FINISHED.get(reason, "stop")
        return [self._head.chunk({}, "stop" if self._by_tool and told == "tool_calls" else told)]

    def _text(self, name: str, text: object) -> list[dict[str, Any]]:
        return [self._head.chunk({name: text})] if isinstance(text, str) and text else []

    def _call(self, call: Mapping[str, Any]) -> dict[str, Any]:
        return self._head.chunk({"tool_calls": [call]})

    def _count(self, usage: Mapping[str, Any]) -> None:
        # Counts are of the whole answer so far; what is read from a cache or written to it is prompt too.
        self._usage |= {name: told for name, value in usage.items() if (told := count(value)) is not None}

    def _told(self) -> dict[str, Any]:
        told = self._usage
        cached = told.get("cache_read_input_tokens", 0)
        prompt = told.get("input_tokens", 0) + told.get("cache_creation_input_tokens", 0) + cached
        return usage_of(prompt, told.get("output_tokens", 0), cached)


def error_of(event: Mapping[str, Any]) -> dict[str, Any]:
    """An error event as OpenAI's error object; its code is the HTTP status that it would have had."""
    error = mapping(event.get("error"))
    kind = str(error.get("type") or "api_error")
    return {"message": str(error.get("message") or ""), "type": kind, "code": STATUSES.get(kind, 502)}
