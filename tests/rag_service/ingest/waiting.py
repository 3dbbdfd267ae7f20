"""Waits for conditions."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable

from tests.rag_service.ingest.desk import Desk


async def until(look: Callable[[], Awaitable[object]], what: str = "it did not happen", seconds: float = 120) -> None:
    """Wait until a look gives something true."""
    last = time.monotonic() + seconds
    while not await look():
        assert time.monotonic() < last, what
        await asyncio.sleep(0.05)


async def ended(desk: Desk, job: str) -> str:
    """Wait until a job has ended; how."""
    seen = ""

    async def look() -> bool:
        nonlocal seen
        found = await desk.job(job)
        seen = found.status if found is not None else ""
        return found is not None and found.ended

    await until(look, f"job {job} did not end")
    return seen


async def idle(desk: Desk) -> None:
    """Wait until the queue is empty."""

    async def look() -> bool:
        return not await desk.queue()

    await until(look, "the queue was not emptied")
