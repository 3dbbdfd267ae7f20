"""B5: how soon a chat begins while two hundred others wait for their first token, in our host and in the unmodified
Pipelines server with our manifold and with a rival's.

The unmodified server has 40 threads. A rival's turn holds one until its first token; ours holds at most 24 of them,
and further guests are refused at once.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from statistics import median
from typing import Any

import uvloop

from benchmarks.goal import Goal
from benchmarks.load import Received, drive
from benchmarks.stage import Stage, running
from benchmarks.streams import refused
from benchmarks.work import Work, spread
from maitre.errors import HouseError

TARGETS = ("host", "maitre", "rival")
WORK = Work(rounds=3, streams=200, chunks=5, interval_ms=20, ramp=1)
FIRST_TOKEN_MS = 8000
BEGIN = 1.5  # seconds after the first of those that wait, when the probes begin
PROBES, PAUSE = 20, 0.2  # how many, and seconds between two
TIMES = 2.0  # what a probe may take beside those that wait, of what it takes alone
FIRST_BYTE_MS = 50.0
PATIENCE = 60.0  # seconds for one case
UNMODIFIED = 20  # waiting chats that the unmodified server with our manifold must bear
THREADS = 40  # waiting chats that stop it with the rival's
DONE = b"data: [DONE]"


@dataclass(frozen=True, slots=True)
class Probed:
    """What the probes met in one round of one target."""

    target: str
    number: int
    waiting: int  # chats that wait for their first token
    first_byte_ms: float  # median of the probes
    worst_ms: float
    refused: int  # of those that wait
    probes_refused: int


def run(work: Work) -> list[Probed]:
    """All cases in every round, in random order."""
    with running(work, TARGETS) as stage:
        return uvloop.run(_measure(stage, work))


def cases(work: Work) -> list[tuple[str, int]]:
    """Every target with the numbers of waiting chats that tell something of it."""
    told = {"host": (0, work.streams), "maitre": (0, UNMODIFIED, work.streams), "rival": (0, THREADS)}
    return [(target, waiting) for target in TARGETS for waiting in told[target]]


def goals(rounds: Sequence[Probed], work: Work) -> list[Goal]:
    """What must hold, of the host."""
    behind = [one.first_byte_ms for one in of_case(rounds, "host", work.streams)]
    alone = [one.first_byte_ms for one in of_case(rounds, "host", 0)]
    name = f"host: probe's first byte behind {work.streams}"
    times = [one / other for one, other in zip(behind, alone, strict=True)]
    return [Goal(f"{name} / alone", spread(times), TIMES), Goal(f"{name}, ms", spread(behind), FIRST_BYTE_MS)]


def of_case(rounds: Sequence[Probed], target: str, waiting: int) -> list[Probed]:
    """One case, round by round."""
    own = [one for one in rounds if (one.target, one.waiting) == (target, waiting)]
    return sorted(own, key=lambda one: one.number)


def to_json(rounds: Sequence[Probed]) -> list[dict[str, Any]]:
    """Every round."""
    return [asdict(one) for one in rounds]


async def _measure(stage: Stage, work: Work) -> list[Probed]:
    order = random.Random(work.seed)
    for target in TARGETS:
        await drive(
            stage.servers[target].port, [_request(stage, target, n, 0, work) for n in range(20)], 0.05, PATIENCE
        )
    rounds: list[Probed] = []
    told = cases(work)
    for number in range(1, work.rounds + 1):
        order.shuffle(told)
        for target, waiting in told:
            rounds.append(await _round(stage, work, target, waiting, number))
    return rounds


async def _round(stage: Stage, work: Work, target: str, waiting: int, number: int) -> Probed:
    port = stage.servers[target].port
    blocked = [_request(stage, target, guest, FIRST_TOKEN_MS, work) for guest in range(waiting)]
    probes = [_request(stage, target, waiting + guest, 0, work) for guest in range(PROBES)]
    crowd = asyncio.create_task(drive(port, blocked, work.ramp / max(1, waiting), PATIENCE))
    await asyncio.sleep(BEGIN)
    answers = await drive(port, probes, PAUSE, PATIENCE)
    if waiting and crowd.done():
        raise HouseError(f"{target}: the chats that should wait had ended before the last probe.")
    crowded = await crowd
    if bad := sorted({one.status for one in (*answers, *crowded) if not _ended_well(one)}):
        raise HouseError(f"{target}: answers that are neither whole nor refused, with status {bad}.")
    first = [answer.arrivals[0] * 1000 for answer in answers]
    return Probed(
        target=target,
        number=number,
        waiting=waiting,
        first_byte_ms=median(first),
        worst_ms=max(first),
        refused=sum(map(refused, crowded)),
        probes_refused=sum(map(refused, answers)),
    )


def _request(stage: Stage, target: str, guest: int, first_token_ms: float, work: Work) -> bytes:
    script = {"n": work.chunks, "interval_ms": work.interval_ms, "ttft_ms": first_token_ms}
    return stage.request(target, guest, script)


def _ended_well(answer: Received) -> bool:
    """Whether it is whole and says so, an answer or a refusal."""
    return answer.status == 200 and answer.whole and DONE in answer.body[-100:]
