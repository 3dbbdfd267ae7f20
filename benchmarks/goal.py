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
    judged: bool = True  # else it is an aim, without a verdict

    @property
    def reached(self) -> bool:
        """Whether it is so little."""
        return self.measured.median <= self.most

    @property
    def holds(self) -> bool:
        """Whether the benchmark may pass."""
        return self.reached or not self.judged

    def __str__(self) -> str:
        if self.judged:
            said = f"target ≤ {self.most:g}: {'holds' if self.reached else 'MISSED'}"
        else:
            said = f"aim ≤ {self.most:g}: {'reached' if self.reached else 'not reached'}"
        return f"{self.what}: {self.measured}; {said}"

    def as_json(self) -> dict[str, Any]:
        """For machines."""
        return {**asdict(self), "reached": self.reached}
