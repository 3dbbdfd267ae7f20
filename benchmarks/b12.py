"""B12: the memory of our gateway and of its rivals, idle after a warm-up and while two hundred streams run."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import uvloop
from rich.console import Console
from rich.table import Table

from benchmarks.cpu import pss_mb
from benchmarks.gateways import FEATURES, Gateways, running
from benchmarks.goal import Goal
from benchmarks.load import drive
from benchmarks.work import Work, spread
from maitre.errors import HouseError

TITLE = "B12: memory"
TARGETS = ("traced", "litellm", "pipelines")
WORK = Work(rounds=1, streams=200, chunks=200, interval_ms=50, ramp=2)
RATIO = 1 / 4  # ours of LiteLLM's
LOOK = 0.5  # seconds between two looks
CALM = 2.0  # seconds after the warm-up


@dataclass(frozen=True, slots=True)
class Memory:
    """What one target's processes had in one round: proportional, in 10^6 bytes."""

    target: str
    number: int
    idle_mb: float
    most_mb: float  # while the streams ran


def run(work: Work) -> list[Memory]:
    """All targets in every round."""
    with running(work, TARGETS) as stage:
        return uvloop.run(_measure(stage, work))


async def _measure(stage: Gateways, work: Work) -> list[Memory]:
    order, targets, rounds = random.Random(work.seed), list(stage.servers), []
    for target in targets:
        await _streams(stage, target, work.warm_up(), 20)
    for number in range(1, work.rounds + 1):
        order.shuffle(targets)
        for target in targets:
            await asyncio.sleep(CALM)
            idle = pss_mb(stage.servers[target].pid)
            streaming = asyncio.create_task(_streams(stage, target, work, work.streams))
            most = idle
            while not (await asyncio.wait([streaming], timeout=LOOK))[0]:
                most = max(most, pss_mb(stage.servers[target].pid))
            await streaming
            rounds.append(Memory(target, number, idle, most))
    return rounds


async def _streams(stage: Gateways, target: str, work: Work, streams: int) -> None:
    """So many streams. HouseError unless each is whole."""
    script = {"n": work.chunks, "interval_ms": work.interval_ms}
    sent = [stage.request(target, guest, script) for guest in range(streams)]
    answers = await drive(stage.servers[target].port, sent, work.ramp / streams, work.timeout)
    if bad := sum(one.status != 200 or not one.whole or b"[DONE]" not in one.body[-100:] for one in answers):
        raise HouseError(f"{target}: {bad} of {streams} streams are not whole.")


def goals(rounds: Sequence[Memory]) -> list[Goal]:
    """What must hold."""
    most = {(one.target, one.number): one.most_mb for one in rounds}
    numbers = sorted({one.number for one in rounds})
    ours = spread([most["traced", number] / most["litellm", number] for number in numbers])
    return [Goal("memory with streams, traced / litellm", ours, RATIO)]


def tell(console: Console, work: Work, rounds: Sequence[Memory]) -> None:
    """Print what was measured and whether the target holds."""
    shown = Table(title=TITLE, caption="PSS of the process tree, MB: medians (least..most of the rounds)")
    for column in ("target", "idle", f"{work.streams} streams"):
        shown.add_column(column, justify="left" if column == "target" else "right")
    for target in TARGETS:
        own = [one for one in rounds if one.target == target]
        shown.add_row(target, str(spread([one.idle_mb for one in own])), str(spread([one.most_mb for one in own])))
    for target in TARGETS:
        console.print(f"  {target}: {FEATURES[target]}")
    console.print(shown)
    for goal in goals(rounds):
        console.print(str(goal))


def as_json(work: Work, rounds: Sequence[Memory]) -> dict[str, Any]:
    """The whole result; the same fields in every run."""
    return {
        "bench": "b12",
        "work": asdict(work),
        "features": {target: FEATURES[target] for target in TARGETS},
        "goals": [goal.as_json() for goal in goals(rounds)],
        "rounds": [asdict(one) for one in rounds],
    }
