"""An upstream's stream, read to its end and taken apart."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from maitre.errors import ProviderError
from maitre.providers.upstream import Upstream


@dataclass(slots=True)
class Chunks:
    """What the chunks of one stream said."""

    text: str = ""
    reasoning: str = ""
    deltas: int = 0
    finish: list[str] = field(default_factory=list)
    calls: list[dict[str, Any]] = field(default_factory=list)
    usage: dict[str, Any] = field(default_factory=dict)
    errors: list[dict[str, Any]] = field(default_factory=list)


async def read(client: Upstream, body: Mapping[str, Any], broken: bool = False) -> Chunks:
    """All of a stream. `broken`: that it breaks off is no fault of the test."""
    seen = Chunks()
    try:
        async for event in client.stream(body, "r1"):
            _see(seen, json.loads(event.removeprefix(b"data:")))
    except ProviderError:
        if not broken:
            raise
    return seen


def _see(seen: Chunks, chunk: dict[str, Any]) -> None:
    if chunk.get("error"):
        seen.errors.append(chunk)
        return
    seen.usage = chunk.get("usage") or seen.usage
    for choice in chunk["choices"]:
        delta = choice["delta"]
        seen.text += delta.get("content") or ""
        seen.reasoning += delta.get("reasoning_content") or ""
        seen.deltas += bool(delta.get("content"))
        seen.finish += [choice["finish_reason"]] if choice["finish_reason"] else []
        for call in delta.get("tool_calls") or ():
            if call["index"] == len(seen.calls):
                seen.calls.append({**call, "function": {**call["function"], "arguments": ""}})
            seen.calls[call["index"]]["function"]["arguments"] += call["function"]["arguments"]
