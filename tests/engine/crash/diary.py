"""What really happened, written down from outside: when each part lived, how far each answer had come, and what the
ledger said of the open calls."""

from __future__ import annotations

import asyncio
import threading
import time
from collections import defaultdict
from dataclasses import dataclass, field

import asyncpg

from tests.engine.crash.plan import Kill
from tests.upstream import ScriptedUpstream

LOOK = 0.1  # seconds between two looks


@dataclass
class Lives:
    """From when until when a part surely lived; the last life may go on."""

    spans: list[list[float]] = field(default_factory=list)  # Unix times: [up, down) or [up]

    def up(self) -> None:
        """It is healthy."""
        self.spans.append([time.time()])

    def down(self) -> None:
        """It is about to be killed."""
        if self.spans and len(self.spans[-1]) == 1:
            self.spans[-1].append(time.time())

    @property
    def now(self) -> bool:
        """Whether it lives."""
        return bool(self.spans) and len(self.spans[-1]) == 1

    def through(self, at: float) -> tuple[float, float] | None:
        """The life that a moment lies in; a life that goes on ends now."""
        for span in self.spans:
            up, down = span[0], span[1] if len(span) > 1 else time.time()
            if up <= at <= down:
                return up, down
        return None


class Diary:
    """Keeps the diary in a thread of its own. `relayed` is the most that the ledger ever said of an open call."""

    def __init__(self, upstream: ScriptedUpstream, postgres: str) -> None:
        self.lives: dict[str, Lives] = defaultdict(Lives)
        self.deltas: dict[int, list[tuple[float, int]]] = defaultdict(list)  # by the call's number
        self.relayed: dict[str, int] = {}
        self.kills: list[tuple[float, Kill]] = []
        self.longest = 0.0  # seconds that any open row was ever let live
        self._upstream, self._postgres = upstream, postgres
        self._over = threading.Event()
        self._threads = [
            threading.Thread(target=self._watch_upstream, name="diary-upstream"),
            threading.Thread(target=lambda: asyncio.run(self._watch_ledger()), name="diary-ledger"),
        ]

    def __enter__(self) -> Diary:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        for thread in self._threads:
            thread.join()

    def sent_by(self, number: int, moment: float) -> int:
        """How many deltas of a call the upstream had surely sent by then."""
        return max((deltas for at, deltas in self.deltas[number] if at <= moment), default=0)

    def _watch_upstream(self) -> None:
        first = 0
        while not self._over.wait(LOOK):
            calls = self._upstream.calls
            while first < len(calls) and calls[first].ended != "open":
                first += 1
            for call in calls[first:]:
                if call.ended == "open" and call.deltas:
                    self.deltas[call.number].append((time.time(), call.deltas))

    async def _watch_ledger(self) -> None:
        while not self._over.is_set():
            try:
                connection = await asyncpg.connect(self._postgres, timeout=2)
            except (OSError, TimeoutError, asyncpg.PostgresError):
                await asyncio.sleep(LOOK)
                continue
            try:
                while not self._over.is_set():
                    await self._look(connection)
                    await asyncio.sleep(LOOK)
            except (OSError, TimeoutError, asyncpg.PostgresError, asyncpg.InterfaceError, asyncpg.InternalClientError):
                connection.terminate()  # the server was killed
        # The connection ends with the thread's loop.

    async def _look(self, connection: asyncpg.Connection) -> None:
        rows = await connection.fetch(
            "select request_id, relayed, extract(epoch from expires_at - clock_timestamp())::float8 as lives"
            " from ledger where status = 'open'",
            timeout=2,
        )
        for row in rows:
            self.longest = max(self.longest, row["lives"])
            if row["relayed"] is not None:
                self.relayed[row["request_id"]] = max(self.relayed.get(row["request_id"], 0), row["relayed"])
