"""The results of B8 for people and for machines."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from rich.console import Console
from rich.table import Table

from benchmarks.b8 import FEATURES, TARGET
from benchmarks.work import Round, Work, ratios, spread, to_json


def table(rounds: Sequence[Round]) -> Table:
    """One row a target: the median of the rounds, with the extremes."""
    shown = Table(
        title="B8: CPU inside the unmodified Pipelines server",
        caption="medians (least..most of the rounds); stores: CPU of Postgres and Valkey, not part of the ratio",
    )
    shown.add_column("target")
    for column in (
        "CPU ms / 1k chunks",
        "stores",
        "events / chunk",
        "first byte ms",
        "gap p95 ms",
        "stream s",
        "PSS MB",
    ):
        shown.add_column(column, justify="right")
    for target in FEATURES:
        own = [one for one in rounds if one.target == target]
        shown.add_row(
            target,
            str(spread([one.cost for one in own])),
            str(spread([one.stores_cost for one in own])) if target == "maitre" else "–",
            f"{spread([one.delivered / one.chunks for one in own]).median:.2f}",
            str(spread([one.first_byte_ms for one in own])),
            str(spread([one.gap_ms for one in own])),
            str(spread([one.seconds for one in own])),
            f"{own[-1].pss_mb:.0f}",
        )
    return shown


def tell(console: Console, work: Work, rounds: Sequence[Round]) -> bool:
    """Print what was measured and whether the target holds."""
    pinned = f"servers on CPU {work.cpus[0]}, all else on CPU {work.cpus[1]}" if work.pinned else "not pinned: one CPU"
    console.print(
        f"{work.rounds} rounds of {work.streams} streams × {work.chunks} chunks, one every {work.interval_ms:g} ms;"
        f" {pinned}; GLOBAL_LOG_LEVEL={work.log_level}; seed {work.seed}"
    )
    for target, features in FEATURES.items():
        console.print(f"  {target}: {features}")
    console.print(table(rounds))
    ratio = ratios(rounds, "maitre", "rival")
    holds = ratio.median <= TARGET
    console.print(f"maitre / rival: {ratio}; target ≤ {TARGET}: {'holds' if holds else 'MISSED'}")
    return holds


def as_json(work: Work, rounds: Sequence[Round]) -> dict[str, Any]:
    """The whole result; the same fields in every run."""
    ratio = ratios(rounds, "maitre", "rival")
    return {
        "bench": "b8",
        "work": asdict(work),
        "features": FEATURES,
        "target": TARGET,
        "ratio": asdict(ratio),
        "holds": ratio.median <= TARGET,
        "rounds": to_json(rounds),
    }
