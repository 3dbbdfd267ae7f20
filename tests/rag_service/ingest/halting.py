"""How a process of the service is made to stand still at a step."""

from __future__ import annotations

import asyncio
import functools
import sys
from collections.abc import Callable, Mapping
from typing import Any, Literal

#: What is called there, whether it stands before or after it, and at which call.
Step = tuple[Any, str, Literal["before", "after"], int]


def halt_at(step: str, steps: Mapping[str, Step]) -> None:
    """Have the step print its name, and wait for a line before it goes on. `nowhere` is no step."""
    if step == "nowhere":
        return
    owner, name, when, at = steps[step]
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
