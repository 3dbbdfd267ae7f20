"""B4: two hundred slow streams at once through our host, beside the unmodified Pipelines server with our manifold and
with a rival's: whether anybody stalls, and what a chunk costs."""

from __future__ import annotations

from collections.abc import Sequence

import uvloop

from benchmarks.goal import Goal
from benchmarks.stage import running
from benchmarks.streams import measure
from benchmarks.work import Round, Work, ratios, spread

TITLE = "B4: many slow streams"
TARGETS = ("host", "maitre", "rival")
WORK = Work(rounds=3, streams=200, chunks=200, interval_ms=50, ramp=2)
STRETCH = 1.03  # the slowest stream's time, of the upstream's own
DELAY_MS = 10.0
FIRST_BYTE_MS = 100.0
COST_AIM = 0.25  # the host's CPU per chunk, of the rival's


def run(work: Work) -> list[Round]:
    """All targets in every round."""
    with running(work, TARGETS) as stage:
        return uvloop.run(measure(stage, work))


def goals(rounds: Sequence[Round]) -> list[Goal]:
    """What must hold, of the host."""
    own = [one for one in rounds if one.target == "host"]
    return [
        Goal("host: slowest stream / the upstream's own time", spread([one.stretch for one in own]), STRETCH),
        Goal("host: delay of a chunk, p95 ms", spread([one.delay_ms for one in own]), DELAY_MS),
        Goal("host: first byte, p95 ms", spread([one.first_byte_p95_ms for one in own]), FIRST_BYTE_MS),
        Goal("host: refused", spread([one.refused for one in own]), 0),
        Goal("CPU per chunk, host / rival", ratios(rounds, "host", "rival"), COST_AIM, judged=False),
    ]
