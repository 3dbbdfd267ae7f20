"""Races of two real processes for one guest's limits: exactly the limit is granted, whatever Valkey forgets."""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import AsyncIterator
from dataclasses import dataclass

import pytest

from maitre.quota.subject import Subject
from maitre.quota.window import WINDOWS
from tests.contract.house import NOON, WHEN
from tests.contract.racers import LEAST, PRICES_ASKED, PROMPT, Racers, call, racers
from tests.stores import fresh_schema

pytestmark = pytest.mark.contract
RACERS, ROUNDS = 200, 20  # racers of a process
LIMITS = {"requests": 37, "tokens": 401, "money": 1607, "calls": 17}
SMALLEST = {"requests": 1, "tokens": PROMPT + LEAST, "money": PROMPT * PRICES_ASKED[0] + LEAST * PRICES_ASKED[1]}


@dataclass
class Track:
    """Two processes of racers, and a door of our own."""

    processes: list[asyncio.subprocess.Process]
    own: Racers

    async def race(self, **word: object) -> list[tuple[int, float, float]]:
        """Both processes at once; what was granted."""
        for number, process in enumerate(self.processes):
            assert process.stdin is not None
            process.stdin.write(json.dumps({**word, "seed": f"{word['seed']}-{number}"}).encode() + b"\n")
        lines = []
        for process in self.processes:
            assert process.stdout is not None
            lines.append(await process.stdout.readline())
        return [tuple(one) for line in lines for one in json.loads(line)]

    async def used(self, user: str, resource: str) -> int:
        """What the ledger says is used and held."""
        totals = await self.own.ledger.totals(Subject("account", user), NOON, WHEN)
        held = {
            "tokens": sum(hold.prompt_tokens + hold.completion_tokens for hold in totals.holds.values()),
            "money": sum(hold.money for hold in totals.holds.values()),
            "calls": len(totals.holds),
        }
        return totals.fields.get(f"{resource}:total", 0) + held.get(resource, 0)


@pytest.fixture
async def track(valkey_url: str, postgres_url: str) -> AsyncIterator[Track]:
    """On a database of Valkey that may be flushed, and an empty ledger."""
    urls = valkey_url.rpartition("/")[0] + "/7", fresh_schema(postgres_url)
    own = racers(*urls)
    await own.database.migrate()
    pipe = asyncio.subprocess.PIPE
    processes = [
        await asyncio.create_subprocess_exec(
            sys.executable, "-m", "tests.contract.racers", *urls, stdin=pipe, stdout=pipe, limit=2**22
        )
        for _ in range(2)
    ]
    yield Track(processes, own)
    for process in processes:
        await process.communicate(b"")
    await own.valkey.close()
    await own.database.close()


def most_at_once(running: list[tuple[int, float, float]]) -> int:
    """The most calls that ran at the same moment."""
    steps = sorted([(began, 1) for _, began, _ in running] + [(ended, -1) for _, _, ended in running])
    now = most = 0
    for _, step in steps:
        now += step
        most = max(most, now)
    return most


@pytest.mark.parametrize("name", WINDOWS)
async def test_racers_get_exactly_the_limit(track: Track, name: str) -> None:
    """Of 400 racers, from an unloaded account: as many as there is room for, never more, never fewer."""
    resource = WINDOWS[name].resource
    limit = LIMITS[resource]
    for number in range(ROUNDS):
        user = f"{name}-{number}"
        word = {"user": user, "limits": {name: limit}, "racers": RACERS, "flushes": 0, "settles": 0, "seed": number}
        running = await track.race(**word)
        used = await track.used(user, resource)
        assert limit - SMALLEST.get(resource, 1) < used <= limit
        if resource in ("requests", "calls"):
            assert len(running) == limit
        else:
            assert sum(tokens for tokens, _, _ in running) == await track.used(user, "tokens")


@pytest.mark.parametrize("name", WINDOWS)
async def test_a_valkey_that_forgets_everything_grants_no_more(track: Track, name: str) -> None:
    """Flushed several times in each round, before rows are written and before holds are confirmed, while other calls
    settle: never more than the limit is confirmed, and afterwards exactly the rest is still to be had."""
    resource = WINDOWS[name].resource
    limit = LIMITS[resource]
    for number in range(ROUNDS):
        user = f"{name}-{number}"
        word = {"user": user, "limits": {name: limit}, "racers": RACERS // 4, "flushes": 0.1, "settles": 0.3}
        running = await track.race(**word, seed=number)
        assert await track.used(user, resource) <= limit
        assert await track.used(user, "requests") == len(running)
        assert resource != "calls" or most_at_once(running) <= limit
        for more in range(limit + 1):
            if await track.own.take(call(user, {name: limit}, 12, f"{user}-more-{more}")) is None:
                break
        assert limit - SMALLEST.get(resource, 1) < await track.used(user, resource) <= limit
