"""B7: what a reservation and its settlement cost after 15,000 requests of one guest within an hour, against the first.

Every window of the guest and of the house is limited. A limiter that keeps its requests in a list pays for each of
them again and again; ours must not notice them. The old guest and new ones take turns, so that what else runs on the
machine meets both.
"""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import uvloop
from rich.console import Console
from rich.table import Table

from benchmarks.goal import Goal
from benchmarks.redis_guest import CALLERS, REQUESTS, guests
from benchmarks.work import Work, spread
from tests.contract.valkey.own_valkey import OwnValkey

TITLE = "B7: a reservation and its settlement, early and after 15,000 requests of the same guest"
WORK = Work(rounds=5, streams=0, chunks=0, interval_ms=0, ramp=0)
BATCH = 400  # requests of a guest at a time
TURNS = 8  # of either, in a round
MOST = 1.1  # times the first cost


@dataclass(frozen=True, slots=True)
class Grown:
    """What a request cost in one round, in CPU microseconds: a guest's first ones, and those after many."""

    number: int
    first_client: float
    first_valkey: float
    last_client: float
    last_valkey: float

    @property
    def ratio(self) -> float:
        """The last cost as a multiple of the first, client and Valkey together."""
        return (self.last_client + self.last_valkey) / (self.first_client + self.first_valkey)


def run(work: Work) -> list[Grown]:
    """All rounds on one Valkey. HouseError when a request is refused."""
    with tempfile.TemporaryDirectory(prefix="maitre-bench-") as name:
        server = OwnValkey(Path(name))
        server.start()
        try:
            return uvloop.run(_rounds(server.url, work))
        finally:
            server.kill()


async def _rounds(url: str, work: Work) -> list[Grown]:
    async with guests(url) as arrive:
        old, rounds = arrive(), []
        await old.serve(REQUESTS)
        for number in range(1, work.rounds + 1):
            costs = [(await arrive().serve(BATCH), await old.serve(BATCH)) for _ in range(TURNS)]
            first, last = ([sum(side) / TURNS for side in zip(*one, strict=True)] for one in zip(*costs, strict=True))
            rounds.append(Grown(number, first[0], first[1], last[0], last[1]))
        return rounds


def goals(rounds: Sequence[Grown]) -> list[Goal]:
    """The cost must not grow."""
    ratios = spread([one.ratio for one in rounds])
    return [Goal(f"CPU of a request after {REQUESTS:,} of the same guest, of the first", ratios, MOST)]


def tell(console: Console, work: Work, rounds: Sequence[Grown]) -> None:
    """Print what was measured and whether the target holds."""
    shown = Table(title=TITLE, caption="CPU µs for a request: medians (least..most of the rounds)")
    for column in ("", "client", "Valkey"):
        shown.add_column(column, justify="right" if column else "left")
    for name in ("first", "last"):
        client, valkey = ([getattr(one, f"{name}_{side}") for one in rounds] for side in ("client", "valkey"))
        shown.add_row(
            "the first" if name == "first" else f"after {REQUESTS:,}", str(spread(client)), str(spread(valkey))
        )
    console.print(f"{work.rounds} rounds; {CALLERS} callers; all windows of a guest and of the house limited")
    console.print(shown)
    for goal in goals(rounds):
        console.print(str(goal))


def as_json(work: Work, rounds: Sequence[Grown]) -> dict[str, Any]:
    """The whole result; the same fields in every run."""
    return {
        "bench": "b7",
        "work": {"rounds": work.rounds, "requests": REQUESTS, "batch": BATCH, "turns": TURNS, "callers": CALLERS},
        "goals": [goal.as_json() for goal in goals(rounds)],
        "rounds": [asdict(one) | {"ratio": one.ratio} for one in rounds],
    }
