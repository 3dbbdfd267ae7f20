"""One process that checks windows in Valkey: `python -m benchmarks.redis_checks`, a job on stdin, its result on stdout.

Both clients run the same script with the same keys and arguments.
"""

from __future__ import annotations

import asyncio
import json
import os
import random
import sys
import time
from collections.abc import Awaitable, Callable, Sequence
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import uvloop
from redis.asyncio import Redis

from maitre.valkey.redis_wire import Script, Valkey

SOURCE = Path(__file__).with_name("windows.lua").read_text("utf-8")
USERS = 1000
WINDOWS = ("minute", "running", "day", "month")
AMOUNTS = (1, 1, 500, 500)
TTLS = (60, 300, 86_400, 2_678_400)  # seconds
PLENTY = 10**15

#: In a race: so many ask twice at once, in each process, for what this many may have.
RACERS = 200
SEATS = 100

Check = Callable[[Sequence[str], Sequence[int]], Awaitable[Any]]


def keys(user: str) -> list[str]:
    """The counters of a user's windows; a cluster keeps them together."""
    return [f"bench:{{{user}}}:{window}" for window in WINDOWS]


def words(full: int | None = None) -> list[int]:
    """The script's arguments; the window `full` has room for SEATS, the others for everybody."""
    limits = [amount * SEATS if at == full else PLENTY for at, amount in enumerate(AMOUNTS)]
    return [word for pair in zip(AMOUNTS, limits, strict=True) for word in pair] + [*TTLS]


async def client(target: str, url: str, stack: AsyncExitStack) -> Check:
    """The check as this client makes it."""
    if target == "maitre":
        valkey, script = Valkey(url), Script(SOURCE)
        stack.push_async_callback(valkey.close)
        return lambda names, args: valkey.run(script, names, args)
    redis = Redis.from_url(url)
    stack.push_async_callback(redis.aclose)
    known = redis.register_script(SOURCE)
    return lambda names, args: known(keys=names, args=args)


def guests(checks: int, seed: int) -> list[list[str]]:
    """Whom to check, in this order."""
    users = [keys(f"user-{n}") for n in range(USERS)]
    return random.Random(seed).choices(users, k=checks)


async def load(check: Check, callers: int, order: Sequence[Sequence[str]]) -> None:
    """So many callers at once share the checks. RuntimeError unless every one is granted."""
    args, granted = words(), [b"granted", 0]

    async def caller(own: Sequence[Sequence[str]]) -> None:
        for names in own:
            if await check(names, args) != granted:
                raise RuntimeError("a check was not granted")

    async with asyncio.TaskGroup() as group:
        for number in range(callers):
            group.create_task(caller(order[number::callers]))


async def measured(target: str, url: str, callers: int, checks: int, seed: int) -> dict[str, float]:
    """The time and the CPU of this process for a load, after a short one to warm up."""
    async with AsyncExitStack() as stack:
        check = await client(target, url, stack)
        order = guests(checks, seed)
        await check(order[0], words())
        await load(check, callers, order[: checks // 10])
        began, cpu = time.perf_counter(), time.process_time()
        await load(check, callers, order)
        return {"cpu_seconds": time.process_time() - cpu, "seconds": time.perf_counter() - began}


async def raced(url: str, processes: int, rounds: int) -> dict[str, list[int]]:
    """How many this process was granted in each race: one for each window in each round."""
    granted: list[int] = []
    async with AsyncExitStack() as stack:
        check = await client("maitre", url, stack)
        valkey = Valkey(url)
        stack.push_async_callback(valkey.close)
        for race in range(rounds * len(WINDOWS)):
            names, args = keys(f"race-{race}"), words(race % len(WINDOWS))
            await valkey.call("INCR", f"bench:there:{race}")
            while int(await valkey.call("GET", f"bench:there:{race}")) < processes:
                pass  # the others are not there yet
            answers = await asyncio.gather(*(check(names, args) for _ in range(RACERS * 2)))
            granted.append(sum(answer[0] == b"granted" for answer in answers))
    return {"granted": granted}


def main() -> None:
    """Do the job."""
    job = json.load(sys.stdin)
    os.sched_setaffinity(0, job.pop("cpus"))
    work = raced if job.pop("work") == "race" else measured
    json.dump(uvloop.run(work(**job)), sys.stdout)


if __name__ == "__main__":
    main()
