"""B2: how much later one caller has a whole answer through a gateway than from the upstream itself, by round."""

from __future__ import annotations

from collections.abc import Sequence

import uvloop

from benchmarks.gateways import running
from benchmarks.goal import Goal
from benchmarks.unary import Whole, measure
from benchmarks.work import Spread, Work, spread

TITLE = "B2: a whole answer, one caller"
TARGETS = ("direct", "gateway", "traced", "litellm", "pipelines")
WORK = Work(rounds=5, streams=1, chunks=0, interval_ms=0, ramp=0)
SECONDS = 2.0  # of a round
LITELLM = 1 / 10  # what ours adds, of what LiteLLM adds


def run(work: Work) -> list[Whole]:
    """All targets in every round."""
    with running(work, TARGETS) as stage:
        return uvloop.run(measure(stage, work, SECONDS))


def added(rounds: Sequence[Whole], target: str) -> list[float]:
    """Milliseconds of the median that a target adds to the upstream's own, round by round."""
    medians = {(one.target, one.number): one.median_ms for one in rounds}
    numbers = sorted({one.number for one in rounds})
    return [medians[target, number] - medians["direct", number] for number in numbers]


def _ratio(rounds: Sequence[Whole], target: str, rival: str) -> Spread:
    pairs = zip(added(rounds, target), added(rounds, rival), strict=True)
    return spread([ours / theirs for ours, theirs in pairs])


def goals(rounds: Sequence[Whole]) -> list[Goal]:
    """Aims: times are nothing to fail by."""
    return [
        Goal(f"added to the median, {target} / litellm", _ratio(rounds, target, "litellm"), LITELLM, judged=False)
        for target in ("gateway", "traced")
    ]
