"""The results of the streaming benchmarks for people and for machines."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from typing import Any, Protocol, TypeVar

from rich.console import Console
from rich.table import Table

from benchmarks import gateways, stage
from benchmarks.goal import Goal
from benchmarks.work import Round, Work, spread, to_json

FEATURES = {**stage.FEATURES, **gateways.FEATURES}

_COLUMNS: dict[str, Callable[[Round], float]] = {
    "refused": lambda one: one.refused,
    "CPU ms / 1k chunks": lambda one: one.cost,
    "stores": lambda one: one.stores_cost,
    "events / chunk": lambda one: one.delivered / one.chunks,
    "first byte ms": lambda one: one.first_byte_ms,
    "p95": lambda one: one.first_byte_p95_ms,
    "delay p95 ms": lambda one: one.delay_ms,
    "gap p95 ms": lambda one: one.gap_ms,
    "time × ideal": lambda one: one.stretch,
    "PSS MB": lambda one: one.pss_mb,
}


class Measured(Protocol):
    """One target's round, of whatever was measured."""

    @property
    def target(self) -> str:
        """Whose."""


R = TypeVar("R", bound=Measured)


def table(
    title: str, rounds: Sequence[R], targets: Sequence[str], columns: Mapping[str, Callable[[R], float]]
) -> Table:
    """One row a target: the median of the rounds, with the extremes."""
    shown = Table(
        title=title,
        caption="medians (least..most of the rounds); stores: CPU of Postgres and Valkey, not part of the ratio",
    )
    shown.add_column("target")
    for column in columns:
        shown.add_column(column, justify="right")
    for target in targets:
        own = [one for one in rounds if one.target == target]
        shown.add_row(target, *(str(spread([number(one) for one in own])) for number in columns.values()))
    return shown


def show(console: Console, work: str, measured: Table, targets: Sequence[str], goals: Sequence[Goal]) -> None:
    """Print what was done, for whom, what it came to and whether the targets hold."""
    console.print(work)
    for target in targets:
        console.print(f"  {target}: {FEATURES[target]}")
    console.print(measured)
    for goal in goals:
        console.print(str(goal))


def tell(
    console: Console, title: str, work: Work, rounds: Sequence[Round], targets: Sequence[str], goals: Sequence[Goal]
) -> None:
    """Print what was measured and whether the targets hold."""
    done = (
        f"{work.rounds} rounds of {work.streams} streams × {work.chunks} chunks, one every {work.interval_ms:g} ms,"
        f" begun within {work.ramp:g} s; {where(work)}"
    )
    show(console, done, table(title, rounds, targets, _COLUMNS), targets, goals)


def where(work: Work) -> str:
    """How the processes were placed."""
    pinned = f"servers on CPU {work.cpus[0]}, all else on CPU {work.cpus[1]}" if work.pinned else "not pinned: one CPU"
    return f"{pinned}; GLOBAL_LOG_LEVEL={work.log_level}; seed {work.seed}"


def as_json(
    bench: str, work: Work, rounds: Sequence[Round], targets: Sequence[str], goals: Sequence[Goal]
) -> dict[str, Any]:
    """The whole result; the same fields in every run."""
    return {
        "bench": bench,
        "work": asdict(work),
        "features": {target: FEATURES[target] for target in targets},
        "goals": [goal.as_json() for goal in goals],
        "holds": all(goal.holds for goal in goals),
        "rounds": to_json(rounds),
    }
