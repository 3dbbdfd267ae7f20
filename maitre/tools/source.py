"""A server whose operations are tools, as the operator wrote it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from maitre.tools.openapi import Operation


@dataclass(frozen=True, slots=True)
class Source:
    """`base_url` is all that is ever called. `private`: it may be in the house's own network. `secrets` are parts of
    the headers that nobody may read."""

    name: str
    base_url: str
    operations: tuple[Operation, ...]
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    secrets: tuple[str, ...] = field(default=(), repr=False)
    timeout_seconds: float = 10
    max_bytes: int = 20_000
    private: bool = False
