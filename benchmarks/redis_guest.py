"""A guest of B7, who reserves and settles on a real Valkey, and what that costs."""

from __future__ import annotations

import asyncio
import time
import uuid
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from maitre.errors import HouseError
from maitre.quota.redis_store import RedisQuotaStore
from maitre.quota.reservation import Granted
from maitre.quota.subject import HOUSE, Subject
from maitre.quota.window import WINDOWS
from maitre.valkey.redis_wire import Valkey
from tests.contract.house import NOTHING, loaded, spent, wish

REQUESTS = 15_000  # of the old guest, within an hour, before anything is measured
CALLERS = 50
LIMITS = dict.fromkeys(WINDOWS, 10**15)


@asynccontextmanager
async def guests(url: str) -> AsyncIterator[Callable[[], Guest]]:
    """Makes new guests, all on one connection."""
    valkey = Valkey(url, timeout=20)
    try:
        yield lambda: Guest(valkey)
    finally:
        await valkey.close()


class Guest:
    """A guest of a new house, who asks 15,000 times an hour."""

    def __init__(self, valkey: Valkey) -> None:
        self._valkey = valkey
        self._store = RedisQuotaStore(valkey, prefix=f"b7-{uuid.uuid4().hex[:8]}")
        self._user = Subject("account", "guest")
        self._served = 0

    async def serve(self, requests: int) -> tuple[float, float]:
        """So many more requests; the client's and Valkey's CPU microseconds for each."""
        if not self._served:
            await loaded(self._store, NOTHING, self._user, HOUSE)
        server, client = await self._spent_by_valkey(), time.process_time()
        until = self._served + requests
        await asyncio.gather(*(self._ask(until) for _ in range(CALLERS)))
        client, server = time.process_time() - client, await self._spent_by_valkey() - server
        return client * 1e6 / requests, server / requests

    async def _ask(self, until: int) -> None:
        while self._served < until:
            self._served += 1
            call = wish(
                user=self._user,
                limits=LIMITS,
                wider={HOUSE: LIMITS},
                prices=(3, 5),
                after=self._served * 3600 / REQUESTS,
            )
            if not isinstance(await self._store.reserve(call), Granted):
                raise HouseError("maitre: a request was refused where nothing is full.")
            if not await self._store.settle(call.hold_id, call.subjects, spent(7, 30)):
                raise HouseError("maitre: a hold was not there when it was settled.")

    async def _spent_by_valkey(self) -> float:
        """CPU microseconds of the thread that runs the scripts, so far."""
        told = dict(
            line.split(":", 1) for line in (await self._valkey.call("INFO", "cpu")).decode().splitlines() if ":" in line
        )
        return sum(float(told[f"used_cpu_{kind}_main_thread"]) for kind in ("user", "sys")) * 1e6
