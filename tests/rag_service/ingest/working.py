"""A worker in a process of its own that can be told to stand still: `python -m tests.rag_service.ingest.working STEP`.

It prints the step's name when it is there, and goes on when it reads a line. Other arguments are the worker's.
"""

from __future__ import annotations

import asyncio
import functools
import sys
from collections.abc import Callable
from typing import Any

from rag_service import ingest, sources, worker
from rag_service.embedder_http import Embedder
from rag_service.ingest import Ingest
from rag_service.reader import Reader
from rag_service.store.chunks import Chunks

#: Where a worker can stand still: what is called there, whether before or after it, and at which call.
STEPS: dict[str, tuple[Any, str, str, int]] = {
    "begun": (Reader, "read", "before", 1),
    "parsed": (Reader, "read", "after", 1),
    "embedding": (Embedder, "passages", "before", 2),
    "embedded": (Embedder, "passages", "after", 2),
    "staged": (Chunks, "stage", "after", 2),
    "whole": (Chunks, "publish", "before", 1),
    "publishing": (Chunks, "publish", "after", 1),
    "switching": (sources, "switch", "after", 1),
    "published": (Chunks, "tend", "before", 1),
    "ended": (Ingest, "index", "after", 1),
}


def halt_at(step: str) -> None:
    """Have the step wait for a line, once."""
    owner, name, when, at = STEPS[step]
    real: Callable[..., Any] = getattr(owner, name)
    calls = 0

    async def halt() -> None:
        print(step, flush=True)
        await asyncio.get_running_loop().run_in_executor(None, sys.stdin.readline)

    @functools.wraps(real)
    async def halting(*given: Any, **named: Any) -> Any:
        nonlocal calls
        calls += 1
        here = calls == at
        if here and when == "before":
            await halt()
        told = await real(*given, **named)
        if here and when == "after":
            await halt()
        return told

    setattr(owner, name, halting)


if __name__ == "__main__":
    ingest.BATCH = 3
    if (step := sys.argv.pop(1)) != "nowhere":
        halt_at(step)
    worker.main()
