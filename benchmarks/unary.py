"""Rounds of whole answers: each target in every round, in random order; its cost and its times, and whether every
answer was right."""

from __future__ import annotations

import asyncio
import json
import random
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from statistics import median
from typing import Any

import requests

from benchmarks.callers import Asked, ask
from benchmarks.cpu import cpu_seconds, pss_mb
from benchmarks.gateways import OURS, Gateways
from benchmarks.streams import APART, SETTLED
from benchmarks.work import Spread, Work, late, spread
from maitre.books import open_books
from maitre.errors import HouseError

TEXT = "The kitchen is open tonight."  # what the upstream answers
TOKENS = 5
WARM_UP = 1.0  # seconds


@dataclass(frozen=True, slots=True)
class Whole:
    """What one target cost in one round."""

    target: str
    number: int
    requests: int
    seconds: float
    cpu_seconds: float
    stores_cpu_seconds: float  # Postgres and Valkey
    median_ms: float
    late_ms: float  # the 95th percentile
    untraced: float  # share of the turns whose trace was dropped
    pss_mb: float

    @property
    def cost(self) -> float:
        """CPU microseconds of a request."""
        return self.cpu_seconds * 1e6 / self.requests

    @property
    def stores_cost(self) -> float:
        """The same of Postgres and Valkey."""
        return self.stores_cpu_seconds * 1e6 / self.requests

    @property
    def rate(self) -> float:
        """Requests a second."""
        return self.requests / self.seconds


async def measure(stage: Gateways, work: Work, seconds: float) -> list[Whole]:
    """Warm every target up, then all targets in every round. HouseError when an answer is wrong or a row is lost."""
    order = random.Random(work.seed)
    targets = list(stage.servers)
    for target in targets:
        await _round(stage, work, target, 0, WARM_UP)
    rounds: list[Whole] = []
    for number in range(1, work.rounds + 1):
        order.shuffle(targets)
        for target in targets:
            rounds.append(await _round(stage, work, target, number, seconds))
    return rounds


async def _round(stage: Gateways, work: Work, target: str, number: int, seconds: float) -> Whole:
    server, house = stage.servers[target], stage.house
    await asyncio.to_thread(requests.post, stage.upstream.url + "/_reset", timeout=10)
    sent = [stage.request(target, guest, {}, stream=False) for guest in range(work.streams)]
    counted, since = await _traces(stage), datetime.now(UTC)
    await asyncio.sleep(APART)  # then whatever is younger than `since` belongs to this round
    before, stores_before = cpu_seconds(server.pid), cpu_seconds(*house.stores)
    asked = await ask(server.port, sent, seconds)
    check(target, asked)
    traced = len(asked.statuses) if target == "traced" else 0
    dropped = await _settled(stage, since, len(asked.statuses), counted, traced) if target in OURS else 0
    return Whole(
        target=target,
        number=number,
        requests=len(asked.statuses),
        seconds=asked.seconds,
        cpu_seconds=cpu_seconds(server.pid) - before,
        stores_cpu_seconds=cpu_seconds(*house.stores) - stores_before if target in OURS else 0.0,
        median_ms=median(asked.latencies) * 1000,
        late_ms=late(asked.latencies) * 1000,
        untraced=dropped / traced if traced else 0.0,
        pss_mb=pss_mb(server.pid),
    )


def check(target: str, asked: Asked) -> None:
    """HouseError unless each answer is right."""
    if bad := sorted({status for status in asked.statuses if status != 200}):
        raise HouseError(f"{target}: answers with status {bad}: {asked.bodies[asked.statuses.index(bad[0])][:300]!r}")
    for body in asked.bodies:
        if not _right(body):
            raise HouseError(f"{target}: a wrong answer: {body[:300]!r}")


def _right(body: bytes) -> bool:
    try:
        answer = json.loads(body)
        return bool(
            answer["choices"][0]["message"]["content"] == TEXT and answer["usage"]["completion_tokens"] == TOKENS
        )
    except (ValueError, LookupError, TypeError):
        return False


async def _traces(stage: Gateways) -> dict[str, int]:
    async with open_books(stage.house.house) as books:
        return {"traces_sent": 0, "traces_dropped": 0, **await books.counters()}


async def _settled(stage: Gateways, since: datetime, calls: int, before: dict[str, int], traced: int) -> int:
    """Wait until the round's ledger rows are settled and its traces told of: their cost belongs to it. How many traces
    were dropped. HouseError unless there is a settled row for each call."""
    done = told = 0
    try:
        async with asyncio.timeout(SETTLED), open_books(stage.house.house) as books:
            while True:
                rows = await books.usage(None, since, calls + 1)
                done = sum(row["status"] == "done" and not row["estimated"] for row in rows)
                counters = await books.counters()
                grown = {name: counters.get(name, 0) - count for name, count in before.items()}
                told = sum(grown.values())
                if len(rows) == done == calls and told == traced:
                    return grown["traces_dropped"]
                await asyncio.sleep(0.5)
    except TimeoutError as never:
        raise HouseError(
            f"Maitre did not settle and trace its {calls} calls within {SETTLED:.0f} s: {done} rows are done,"
            f" {told} of {traced} traces told of."
        ) from never


def ratios(rounds: Sequence[Whole], ours: str, theirs: str, number: str = "cost") -> Spread:
    """One number of ours as a multiple of theirs, round by round."""
    numbers = {(one.target, one.number): getattr(one, number) for one in rounds}
    return spread([numbers[ours, at] / numbers[theirs, at] for at in sorted({one.number for one in rounds})])


def to_json(rounds: Sequence[Whole]) -> list[dict[str, Any]]:
    """Every round, with its derived numbers."""
    return [{**asdict(one), "cost": one.cost, "stores_cost": one.stores_cost, "rate": one.rate} for one in rounds]
