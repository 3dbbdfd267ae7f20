"""The guest's end of a stream in a turn with tools: text goes on as it comes, what the tools are asked for does not.

All calls of the turn are one answer to the guest: one id, one finish, one usage, which is the sum.
"""

from __future__ import annotations

from typing import Any

from maitre.chat import sse
from maitre.chat.message import Usage
from maitre.chat.openai_wire import count
from maitre.chat.prompt import text_of
from maitre.chat.shown import Sink
from maitre.chat.tool_calls import Wanted
from maitre.errors import Refusal

#: Between what a model says before it uses a tool and what it says afterwards.
GAP = "\n\n"


class ToolSink:
    """A sink that keeps for the loop what is not the guest's."""

    def __init__(self, sink: Sink) -> None:
        self._sink = sink
        self.id = ""
        self.wanted = Wanted()
        self.finish = ""
        self.text: list[str] = []  # of this round
        self._spoken = self._gap = False  # whether anything was said, and in an earlier round
        self._usage: Usage | None = None
        self._used: Usage | None = None  # in the rounds before

    def next_round(self) -> None:
        """The model is asked again."""
        self._used, self._usage = self.used, None
        self.wanted, self.finish, self._gap = Wanted(), "", self._spoken
        self.text.clear()

    @property
    def used(self) -> Usage | None:
        """All that was told of usage so far; None: nothing was."""
        return plus(self._used, self._usage)

    @property
    def spoken(self) -> bool:
        """Whether the guest has read a word."""
        return self._spoken

    async def emit(self, event: bytes) -> None:
        chunk = None if sse.is_status(event) else sse.payload(event)
        if chunk is None or not isinstance(chunk.get("choices"), list):
            await self._sink.emit(event)
        elif kept := self._kept(chunk):
            await self._sink.emit(sse.frame(kept))

    async def comment(self, text: str) -> None:
        await self._sink.comment(text)

    async def refuse(self, refused: Refusal, text: str) -> None:
        await self._sink.refuse(refused, text)

    def _kept(self, chunk: dict[str, Any]) -> dict[str, Any] | None:
        """What of a chunk is the guest's."""
        self._usage = usage_of(chunk.pop("usage", None)) or self._usage
        first = not self.id
        self.id = self.id or str(chunk.get("id") or "")
        choice = next((one for one in chunk["choices"] if isinstance(one, dict)), None)
        if choice is None:
            return None
        self.finish = str(choice.get("finish_reason") or self.finish)
        delta = dict(choice.get("delta") or {})
        self.wanted.see(delta.pop("tool_calls", None))
        if not first:
            delta.pop("role", None)
        delta = {name: value for name, value in delta.items() if value is not None}
        if content := delta.get("content"):
            self.text.append(text_of(content))
            if self._gap and isinstance(content, str):
                delta["content"] = GAP + content
            self._spoken, self._gap = True, False
        elif not first:
            delta.pop("content", None)
        if not delta:
            return None
        return {**chunk, "id": self.id, "choices": [{**choice, "delta": delta, "finish_reason": None}]}


def usage_of(told: object) -> Usage | None:
    """A `usage` object's counts."""
    if not isinstance(told, dict):
        return None
    prompt, completion = count(told.get("prompt_tokens")), count(told.get("completion_tokens"))
    return None if prompt is None or completion is None else Usage(prompt, completion)


def plus(one: Usage | None, other: Usage | None) -> Usage | None:
    """The sum of what is known."""
    if one is None or other is None:
        return one or other
    return Usage(one.prompt_tokens + other.prompt_tokens, one.completion_tokens + other.completion_tokens)
