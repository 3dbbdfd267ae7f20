"""An answer put together again from the chunks that its guest was sent. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from maitre.chat.text import clean, clean_deep

#: Characters of an answer that are remembered.
MOST = 128 * 1024


class Hearing:
    """The first choice's text and tool calls so far. `ended`: whether it came to its end."""

    def __init__(self) -> None:
        self._text: list[str] = []
        self._size = 0
        self._calls: dict[int, dict[str, Any]] = {}
        self.ended = False

    def hear(self, chunk: Mapping[str, Any]) -> None:
        """Take note of one chunk."""
        for choice in chunk.get("choices") or ():
            if choice.get("index", 0) == 0:
                self._take(choice.get("delta") or choice.get("message") or {})
                self.ended = self.ended or bool(choice.get("finish_reason"))

    def _take(self, delta: Mapping[str, Any]) -> None:
        content = delta.get("content")
        if isinstance(content, str):
            self._write(self._text, content)
        for place, call in enumerate(delta.get("tool_calls") or ()):
            known = self._calls.setdefault(call.get("index", place), {"id": "", "name": "", "arguments": []})
            function = call.get("function") or {}
            known["id"] = known["id"] or str(call.get("id") or "")[:200]
            known["name"] = known["name"] or str(function.get("name") or "")[:200]
            self._write(known["arguments"], str(function.get("arguments") or ""))

    def _write(self, texts: list[str], text: str) -> None:
        texts.append(text[: max(0, MOST - self._size)])
        self._size += len(text)

    @property
    def message(self) -> dict[str, Any] | None:
        """The assistant's message, or None when nothing was written. Of one that broke off, tool calls are left out:
        half a call means nothing."""
        message: dict[str, Any] = {"role": "assistant", "content": clean("".join(self._text))}
        if self._calls and self.ended and self._size <= MOST:
            message["tool_calls"] = [_call(self._calls[index]) for index in sorted(self._calls)]
        return message if message["content"] or message.get("tool_calls") else None


def _call(known: Mapping[str, Any]) -> Any:
    function = {"name": known["name"], "arguments": "".join(known["arguments"])}
    return clean_deep({"id": known["id"], "type": "function", "function": function})
