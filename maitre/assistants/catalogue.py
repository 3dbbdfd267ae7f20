"""The catalogue: the plans and assistants of a house as one immutable value."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from maitre.assistants.assistant import Assistant
from maitre.quota.plan import Plan


@dataclass(frozen=True, slots=True)
class Catalogue:
    """What the house offers, as of `version`; version 0 is the empty catalogue before the first read."""

    version: int = 0
    plans: Mapping[str, Plan] = field(default_factory=dict)
    assistants: Mapping[str, Assistant] = field(default_factory=dict)
    closed: str | None = None  # the sentence that guests read while the house admits nobody
