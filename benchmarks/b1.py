"""B1: what a whole answer costs our gateway, with every check and record of a turn, beside LiteLLM that only relays,
and a relaying manifold in the unmodified Pipelines server; fifty callers at once."""

from __future__ import annotations

from collections.abc import Sequence

import uvloop

from benchmarks.gateways import running
from benchmarks.goal import Goal
from benchmarks.unary import Whole, measure, ratios
from benchmarks.work import Work

TITLE = "B1: a whole answer, fifty callers"
TARGETS = ("gateway", "traced", "litellm", "pipelines")
WORK = Work(rounds=5, streams=50, chunks=0, interval_ms=0, ramp=0)
SECONDS = 3.0  # of a round
LITELLM, PIPELINES = 1 / 15, 1 / 5  # our CPU for a request, of theirs: so many times their rate on one core


def run(work: Work) -> list[Whole]:
    """All targets in every round."""
    with running(work, TARGETS) as stage:
        return uvloop.run(measure(stage, work, SECONDS))


def goals(rounds: Sequence[Whole]) -> list[Goal]:
    """What must hold, and what is only aimed at."""
    return [
        Goal("CPU of a request, gateway / litellm", ratios(rounds, "gateway", "litellm"), LITELLM),
        Goal("CPU of a request, gateway / pipelines", ratios(rounds, "gateway", "pipelines"), PIPELINES),
        Goal("CPU of a request, traced / litellm", ratios(rounds, "traced", "litellm"), LITELLM, judged=False),
        Goal("CPU of a request, traced / pipelines", ratios(rounds, "traced", "pipelines"), PIPELINES, judged=False),
    ]
