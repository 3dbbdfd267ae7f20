"""How much an assistant remembers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Memory:
    """An assistant's memory, in turns of one session: at most `load` go before a new turn, and the newest `keep` stay.
    `browser`: whether it remembers from one of the browser's chats to the next."""

    load: int = 10
    keep: int = 100
    browser: bool = False

    @classmethod
    def from_json(cls, value: Mapping[str, Any] | None) -> Memory | None:
        return None if value is None else cls(**value)
