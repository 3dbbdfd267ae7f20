"""B8: what a streamed chunk costs inside the unmodified Pipelines server, Maitre's manifold against a rival's.

Maitre serves with quota, ledger and tracing on; the rival does nothing but relay.
"""

from __future__ import annotations

from collections.abc import Sequence

import uvloop

from benchmarks.goal import Goal
from benchmarks.stage import running
from benchmarks.streams import measure
from benchmarks.work import Round, Work, ratios

TITLE = "B8: CPU inside the unmodified Pipelines server"
TARGETS = ("maitre", "rival")
WORK = Work(rounds=5, streams=20, chunks=200, interval_ms=20, ramp=0.02)
COST = 0.6  # Maitre's CPU per chunk, of the rival's


def run(work: Work) -> list[Round]:
    """Both targets in every round."""
    with running(work, TARGETS) as stage:
        return uvloop.run(measure(stage, work))


def goals(rounds: Sequence[Round]) -> list[Goal]:
    """What must hold."""
    return [Goal("CPU per chunk, maitre / rival", ratios(rounds, "maitre", "rival"), COST)]
