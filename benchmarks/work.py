"""The work of a streaming benchmark, what one target cost in one round, and what the rounds say together. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from itertools import pairwise
from statistics import median
from typing import Any


@dataclass(frozen=True, slots=True)
class Work:
    """How much is asked of each target in each round."""

    rounds: int
    streams: int
    chunks: int  # content deltas of a stream
    interval_ms: float  # between two of them
    ramp: float  # seconds within which the streams begin
    log_level: str = "WARNING"  # GLOBAL_LOG_LEVEL of every unmodified Pipelines server
    cpus: tuple[int, ...] = (0,)  # the servers' and everybody else's
    seed: int = 0  # of the order within the rounds
    rows: int = 0  # of a table of passages

    @property
    def pinned(self) -> bool:
        """Whether there are CPUs enough to keep servers and load apart."""
        return len(self.cpus) > 1

    @property
    def timeout(self) -> float:
        """Seconds that a round may take: many times its ideal."""
        return 30 + self.ramp + 10 * self.chunks * self.interval_ms / 1000

    def warm_up(self) -> Work:
        """The same work, shorter and at full speed."""
        return replace(self, chunks=min(self.chunks, 50), interval_ms=1)


@dataclass(frozen=True, slots=True)
class Round:
    """What one target cost in one round."""

    target: str
    number: int
    cpu_seconds: float
    stores_cpu_seconds: float  # Postgres and Valkey
    refused: int  # streams that were told to come back later
    chunks: int  # upstream events without [DONE]
    delivered: int  # the client's events without [DONE]
    first_byte_ms: float  # median
    first_byte_p95_ms: float
    delay_ms: float  # 95th percentile of the time that a piece of text was on its way from the upstream
    gap_ms: float  # 95th percentile of the time between two arrivals in a stream
    seconds: float  # of the slowest stream
    ideal_seconds: float  # the upstream's own pace
    pss_mb: float

    @property
    def cost(self) -> float:
        """CPU milliseconds for 1,000 upstream chunks."""
        return self.cpu_seconds * 1e6 / self.chunks

    @property
    def stretch(self) -> float:
        """The slowest stream's time as a multiple of the upstream's own."""
        return self.seconds / self.ideal_seconds

    @property
    def stores_cost(self) -> float:
        """The same of Postgres and Valkey."""
        return self.stores_cpu_seconds * 1e6 / self.chunks


@dataclass(frozen=True, slots=True)
class Spread:
    """A median with its extremes."""

    median: float
    least: float
    most: float

    def __str__(self) -> str:
        if self.least == self.most == int(self.most):
            return f"{self.most:g}"
        digits = 2 if self.median < 10 else 0
        return f"{self.median:.{digits}f} ({self.least:.{digits}f}..{self.most:.{digits}f})"


def gap(arrivals: Sequence[Sequence[float]]) -> float:
    """The 95th percentile of the pauses within streams, given when their pieces arrived."""
    return late([after - before for times in arrivals for before, after in pairwise(times)])


def late(values: Sequence[float]) -> float:
    """The 95th percentile; 0 of nothing."""
    return sorted(values)[len(values) * 95 // 100] if values else 0.0


def spread(values: Sequence[float]) -> Spread:
    """Of at least one value."""
    return Spread(median(values), min(values), max(values))


def ratios(rounds: Sequence[Round], ours: str, theirs: str) -> Spread:
    """Our cost as a part of theirs, round by round."""
    costs = {(one.target, one.number): one.cost for one in rounds}
    numbers = sorted({one.number for one in rounds})
    return spread([costs[ours, number] / costs[theirs, number] for number in numbers])


def to_json(rounds: Sequence[Round]) -> list[dict[str, Any]]:
    """Every round, with its derived numbers."""
    return [{**asdict(one), "cost": one.cost, "stores_cost": one.stores_cost, "stretch": one.stretch} for one in rounds]
