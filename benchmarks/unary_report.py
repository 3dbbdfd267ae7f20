"""The results of the benchmarks of whole answers for people and for machines."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict
from typing import Any

from rich.console import Console

from benchmarks.gateways import FEATURES
from benchmarks.goal import Goal
from benchmarks.report import show, table, where
from benchmarks.unary import Whole, to_json
from benchmarks.work import Work

_COLUMNS: dict[str, Callable[[Whole], float]] = {
    "CPU µs / request": lambda one: one.cost,
    "stores": lambda one: one.stores_cost,
    "requests / CPU s": lambda one: 1e6 / one.cost,
    "requests / s": lambda one: one.rate,
    "p50 ms": lambda one: one.median_ms,
    "p95 ms": lambda one: one.late_ms,
    "traces dropped": lambda one: one.untraced,
    "PSS MB": lambda one: one.pss_mb,
}


def tell(
    console: Console,
    title: str,
    work: Work,
    seconds: float,
    rounds: Sequence[Whole],
    targets: Sequence[str],
    goals: Sequence[Goal],
) -> None:
    """Print what was measured and whether the targets hold."""
    done = f"{work.rounds} rounds of {seconds:g} s with {work.streams} callers; {where(work)}"
    show(console, done, table(title, rounds, targets, _COLUMNS), targets, goals)


def as_json(
    bench: str, work: Work, seconds: float, rounds: Sequence[Whole], targets: Sequence[str], goals: Sequence[Goal]
) -> dict[str, Any]:
    """The whole result; the same fields in every run."""
    return {
        "bench": bench,
        "work": {**asdict(work), "seconds": seconds},
        "features": {target: FEATURES[target] for target in targets},
        "goals": [goal.as_json() for goal in goals],
        "holds": all(goal.holds for goal in goals),
        "rounds": to_json(rounds),
    }
