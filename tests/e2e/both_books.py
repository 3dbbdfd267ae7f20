"""A guest's ledger rows beside the scripted upstream's own log, from wherever a test runs."""

from __future__ import annotations

import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, ParamSpec, TypeVar

from maitre.errors import HouseError
from tests.e2e.inn import Guest, Inn
from tests.upstream import Call, ScriptedUpstream

P = ParamSpec("P")
T = TypeVar("T")


def aside(work: Callable[P, T], *given: P.args, **named: P.kwargs) -> T:
    """Do something in another thread. Playwright keeps an event loop running in a test's own thread, where
    `asyncio.run` then refuses to work."""
    with ThreadPoolExecutor(1) as thread:
        return thread.submit(work, *given, **named).result()


def both_books(inn: Inn, upstream: ScriptedUpstream, guest: Guest, seconds: float = 30) -> list[tuple[Any, Call]]:
    """Every row of the guest with its call, the oldest first, once none is open. Each row must have one call."""
    until = time.monotonic() + seconds
    while not (rows := aside(inn.settled, guest)):
        if time.monotonic() > until:
            raise HouseError("a row stayed open, or there is none")
        time.sleep(0.1)
    calls = {call.request_id: call for call in upstream.calls}
    return [(row, calls[row["request_id"]]) for row in sorted(rows, key=lambda row: row["id"])]
