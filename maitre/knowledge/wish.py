"""What an assistant wants of the house's knowledge. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from maitre.known import known


@dataclass(frozen=True, slots=True)
class KnowledgeWish:
    """The collections that it looks into, how many passages and tokens of them a turn may be given, whether the
    question is rewritten from the conversation first (a metered call), and how many seconds all of it may take."""

    collections: tuple[str, ...]
    passages: int = 5
    max_tokens: int = 1500
    rewrite: bool = False
    deadline_seconds: float = 3.0

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> KnowledgeWish:
        """The wish that `asdict` made this of."""
        return cls(**{**known(cls, value), "collections": tuple(value["collections"])})
