"""What a model asks of the house's tools: put together from an answer, and said again in the next call. Pure."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from maitre.chat.text import clean, clean_deep
from maitre.tools.tool import LONGEST_NAME, function_name

#: Tools that are used for one answer of a model; what it asks for beyond is passed over.
MOST_AT_ONCE = 8


@dataclass(frozen=True, slots=True)
class ToolCall:
    """One use of a tool that a model asks for: the function's name and its arguments as it wrote them."""

    id: str
    function: str
    arguments: str


class Wanted:
    """The tool calls of one answer, whole or in fragments as a stream has them."""

    def __init__(self) -> None:
        self._parts: dict[object, dict[str, str]] = {}

    def see(self, calls: object) -> None:
        """Take note of an answer's or a delta's `tool_calls`."""
        for call in calls if isinstance(calls, list) else ():
            if isinstance(call, Mapping):
                self._see(call)

    def _see(self, call: Mapping[str, Any]) -> None:
        index, id = call.get("index"), _text(call.get("id"))
        # Some servers number no fragments, but send each call in one piece.
        key: object = index if isinstance(index, int) else id or f"piece {len(self._parts)}"
        if key not in self._parts and len(self._parts) >= MOST_AT_ONCE:
            return
        part = self._parts.setdefault(key, {"id": "", "function": "", "arguments": ""})
        function = call.get("function")
        function = function if isinstance(function, Mapping) else {}
        arguments = function.get("arguments")
        part["id"] = part["id"] or id
        part["function"] += _text(function.get("name"))
        # Some servers send an object instead of its text.
        part["arguments"] += json.dumps(arguments) if isinstance(arguments, Mapping) else _text(arguments)

    def calls(self, round: int) -> list[ToolCall]:
        """All of them, in their order, each with an id of its own. `round` numbers the answers of a turn."""
        found: dict[str, ToolCall] = {}
        for number, part in enumerate(self._parts.values()):
            id = clean(part["id"])[:200]
            id = id if id and id not in found else f"call_{round}_{number}"
            found[id] = ToolCall(id, clean(part["function"]), clean(part["arguments"]))
        return list(found.values())


def said(text: str, calls: Sequence[ToolCall], answers: Sequence[str]) -> list[dict[str, Any]]:
    """The messages of one round: what the model said and asked for, and what each tool answered."""
    asked = [{"id": call.id, "type": "function", "function": _function(call)} for call in calls]
    told = [
        {"role": "tool", "tool_call_id": call.id, "content": clean(answer)}
        for call, answer in zip(calls, answers, strict=True)
    ]
    messages: list[dict[str, Any]] = clean_deep([{"role": "assistant", "content": text, "tool_calls": asked}])
    return [*messages, *told]


def _function(call: ToolCall) -> dict[str, str]:
    # Servers refuse a conversation with a name or arguments that cannot be.
    try:
        fine = isinstance(json.loads(call.arguments), dict)
    except (ValueError, RecursionError):
        fine = False
    name = function_name(call.function)[:LONGEST_NAME] or "unknown"
    return {"name": name, "arguments": call.arguments if fine else "{}"}


def _text(value: object) -> str:
    return value if isinstance(value, str) else ""
