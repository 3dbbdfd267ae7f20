"""The house's terms for a turn, as the settings give them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from zoneinfo import ZoneInfo

#: From the most to the least that may be recorded of a turn.
RECORDS = ("full", "metadata", "none")


@dataclass(frozen=True, slots=True)
class Terms:
    """What holds for every turn of a house."""

    zone: ZoneInfo
    language: str
    currency: str
    default_plan: str | None
    task_max_tokens: int
    max_turn_seconds: int
    record: str
    retention_days: int
    role_weights: Mapping[str, int]
    groups: Mapping[str, tuple[str, ...]] = field(default_factory=dict)  # of the house's users, by e-mail
    show_route: bool = False  # whether a browser shows which assistant a router chose

    @property
    def foreign_ttl(self) -> timedelta:
        """How long the hold of a turn may live that somebody else serves: its longest time, and a minute."""
        return timedelta(seconds=self.max_turn_seconds + 60)


def strictest(*records: str) -> str:
    """The least that any of the house, the plan and the assistant allows to be recorded."""
    return max(records, key=RECORDS.index)
