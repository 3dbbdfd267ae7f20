"""The results of B6 for people and for machines."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from rich.console import Console
from rich.table import Table

from benchmarks.b6 import CHECKS, CPU_TARGET, JUDGED, RATE_AIM, TARGETS, Checked, Race, cpu_ratio, rate_ratio
from benchmarks.work import Work, spread


def table(rounds: Sequence[Checked]) -> Table:
    """One row for a target and a number of callers: the median of the rounds, with the extremes."""
    shown = Table(
        title="B6: a check of four windows in Valkey, one script",
        caption="medians (least..most of the rounds); ratios: maitre / redis-py of the same round",
    )
    for column in ("callers", "client", "checks / s", "client CPU µs / check", "Valkey busy", "rate ×", "CPU ×"):
        shown.add_column(column, justify="left" if column == "client" else "right")
    for callers in CHECKS:
        for target in TARGETS:
            own = [one for one in rounds if one.target == target and one.callers == callers]
            ours = target == "maitre"
            shown.add_row(
                str(callers),
                target,
                str(spread([one.rate for one in own])),
                str(spread([one.cost for one in own])),
                f"{spread([one.busy for one in own]).median:.0%}",
                str(rate_ratio(rounds, callers)) if ours else "",
                str(cpu_ratio(rounds, callers)) if ours else "",
            )
    return shown


def tell(console: Console, work: Work, rounds: Sequence[Checked], race: Race) -> bool:
    """Print what was measured and whether the target holds: CPU and exactness; the rate is the server's as well."""
    pinned = f"client on CPU {work.cpus[0]}, Valkey on CPU {work.cpus[1]}" if work.pinned else "not pinned: one CPU"
    console.print(f"{work.rounds} rounds; {pinned}; seed {work.seed}")
    console.print(table(rounds))
    cpu, rate = cpu_ratio(rounds, JUDGED), rate_ratio(rounds, JUDGED)
    busy = spread([one.busy for one in rounds if one.target == "maitre" and one.callers == JUDGED])
    holds = cpu.median <= CPU_TARGET
    reached = "reached" if rate.median >= RATE_AIM else "not reached"
    console.print(f"client CPU, maitre / redis-py: {cpu}; target ≤ {CPU_TARGET}: {'holds' if holds else 'MISSED'}")
    console.print(
        f"checks / s, maitre / redis-py: {rate}; aim ≥ {RATE_AIM:g}: {reached}, Valkey {busy.median:.0%} busy"
    )
    console.print(f"{race.races} races, {race.asked} checks: {race.granted_too_much} granted too much")
    return holds


def as_json(work: Work, rounds: Sequence[Checked], race: Race) -> dict[str, Any]:
    """The whole result; the same fields in every run."""
    cpu, rate = cpu_ratio(rounds, JUDGED), rate_ratio(rounds, JUDGED)
    return {
        "bench": "b6",
        "work": {"rounds": work.rounds, "cpus": work.cpus, "seed": work.seed},
        "target": {"cpu": CPU_TARGET},
        "aim": {"rate": RATE_AIM},
        "ratio": {"cpu": asdict(cpu), "rate": asdict(rate)},
        "holds": cpu.median <= CPU_TARGET,
        "race": asdict(race),
        "rounds": [asdict(one) | {"rate": one.rate, "cost": one.cost, "busy": one.busy} for one in rounds],
    }
