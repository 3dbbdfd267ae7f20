"""How much an assistant remembers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from maitre.known import known


@dataclass(frozen=True, slots=True)
class Memory:
    """An assistant's memory, in turns of one session: at most `load` go before a new turn, and the newest `keep` stay.
    `browser`: whether it remembers from one of the browser's chats to the next. `relevant`: how many older turns go
    before a new one because they are most like it. `summary`: whether those older than the newest `load` are summed up,
    in at most `summary_tokens`."""

    load: int = 10
    keep: int = 100
    browser: bool = False
    relevant: int = 0
    summary: bool = False
    summary_tokens: int = 300

    @classmethod
    def from_json(cls, value: Mapping[str, Any] | None) -> Memory | None:
        return None if value is None else cls(**known(cls, value))
