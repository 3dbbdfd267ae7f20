"""B3: what a streamed chunk costs our gateway, with every check, record and trace of a turn, beside LiteLLM that only
relays, and a relaying manifold in the unmodified Pipelines server."""

from __future__ import annotations

from collections.abc import Sequence

import uvloop

from benchmarks.gateways import running
from benchmarks.goal import Goal
from benchmarks.streams import measure
from benchmarks.work import Round, Work, ratios

TITLE = "B3: CPU of a streamed chunk"
TARGETS = ("traced", "litellm", "pipelines")
WORK = Work(rounds=5, streams=20, chunks=200, interval_ms=20, ramp=0.02)
LITELLM, PIPELINES = 1 / 9, 1 / 4.5  # our CPU of a chunk, of theirs


def run(work: Work) -> list[Round]:
    """All targets in every round."""
    with running(work, TARGETS) as stage:
        return uvloop.run(measure(stage, work))


def goals(rounds: Sequence[Round]) -> list[Goal]:
    """What must hold."""
    return [
        Goal("CPU of a chunk, traced / litellm", ratios(rounds, "traced", "litellm"), LITELLM),
        Goal("CPU of a chunk, traced / pipelines", ratios(rounds, "traced", "pipelines"), PIPELINES),
    ]
