"""What a benchmark is held to. Pure."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from benchmarks.work import Spread


@dataclass(frozen=True, slots=True)
class Goal:
    """A number of every round, whose median may be so much at most."""

    what: str
    measured: Spread
    most: float

    @property
    def holds(self) -> bool:
        """Whether the target was held."""
        return self.measured.median <= self.most

    def __str__(self) -> str:
        return f"{self.what}: {self.measured}; target ≤ {self.most:g}: {'holds' if self.holds else 'MISSED'}"

    def as_json(self) -> dict[str, Any]:
        """For machines."""
        return {**asdict(self), "holds": self.holds}
