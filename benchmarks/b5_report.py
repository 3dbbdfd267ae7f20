"""The results of B5 for people and for machines."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from rich.console import Console
from rich.table import Table

from benchmarks.b5 import FIRST_TOKEN_MS, PROBES, TARGETS, Probed, cases, goals, of_case, to_json
from benchmarks.report import where
from benchmarks.stage import FEATURES
from benchmarks.work import Work, spread


def table(rounds: Sequence[Probed], work: Work) -> Table:
    """One row a case: the median of the rounds, with the extremes."""
    shown = Table(
        title="B5: a chat begins while others wait for their first token",
        caption="medians (least..most of the rounds); each round's number is its probes' median, or their worst",
    )
    for column in ("target", "waiting", "probe's first byte ms", "worst ms", "of those refused", "probes refused"):
        shown.add_column(column, justify="left" if column == "target" else "right")
    for target, waiting in cases(work):
        own = of_case(rounds, target, waiting)
        shown.add_row(
            target,
            str(waiting),
            str(spread([one.first_byte_ms for one in own])),
            str(spread([one.worst_ms for one in own])),
            f"{spread([one.refused for one in own]).median:g}",
            f"{spread([one.probes_refused for one in own]).median:g}",
        )
    return shown


def tell(console: Console, work: Work, rounds: Sequence[Probed]) -> None:
    """Print what was measured and whether the targets hold."""
    console.print(
        f"{work.rounds} rounds of {PROBES} probes beside chats whose first token takes {FIRST_TOKEN_MS / 1000:g} s;"
        f" {where(work)}"
    )
    for target in TARGETS:
        console.print(f"  {target}: {FEATURES[target]}")
    console.print(table(rounds, work))
    for goal in goals(rounds, work):
        console.print(str(goal))


def as_json(work: Work, rounds: Sequence[Probed]) -> dict[str, Any]:
    """The whole result; the same fields in every run."""
    held = goals(rounds, work)
    return {
        "bench": "b5",
        "work": asdict(work) | {"first_token_ms": FIRST_TOKEN_MS, "probes": PROBES},
        "features": {target: FEATURES[target] for target in TARGETS},
        "goals": [goal.as_json() for goal in held],
        "holds": all(goal.holds for goal in held),
        "rounds": to_json(rounds),
    }
