"""Tells the index of turns what it is still to be told: turns that were kept, and turns that are gone.

Both stand in the store until the index has heard of them, so neither an index that is down nor a process that dies
loses one. Several processes may be at it: each turn is one's for a while.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from datetime import datetime, timedelta

from maitre.errors import KnowledgeDown, StoreDown
from maitre.faults import outline
from maitre.memory.indexing import Indexing
from maitre.memory.turn_index import TurnIndex

log = logging.getLogger(__name__)

#: What one process takes at once is its own for MINE; it is at it for less, PATIENCE, or leaves it. What is gone is
#: told once more after that: the index may hear of a turn that was being told when it was deleted.
MINE, PATIENCE = timedelta(seconds=60), 40.0
AT_ONCE = 20


class IndexRound:
    """One for a process, used on one event loop."""

    def __init__(self, indexing: Indexing, index: TurnIndex, clock: Callable[[], datetime]) -> None:
        self._indexing, self._index, self._clock = indexing, index, clock
        self._task: asyncio.Task[None] | None = None
        self._again = False
        self._down = ""  # what the log knows already

    def begin(self) -> None:
        """Look soon whether there is something to tell. Nobody waits for it."""
        if self._task is not None and not self._task.done():
            self._again = True
            return
        self._task = asyncio.create_task(self._run())

    async def _run(self) -> None:
        self._again = True
        while self._again:
            self._again = False
            try:
                async with asyncio.timeout(PATIENCE):
                    while await self._forget() + await self._tell() >= AT_ONCE:
                        pass
                self._down = ""
            except (KnowledgeDown, StoreDown, TimeoutError) as down:
                told = str(down) or "it takes too long"
                log.log(
                    logging.DEBUG if told == self._down else logging.WARNING,
                    "The index of remembered turns waits to be told of them: %s",
                    told,
                )
                self._down = told
            except Exception as fault:  # noqa: BLE001 - the next round tries again
                log.error("The index of remembered turns could not be told of them: %s", outline(fault))

    async def _tell(self) -> int:
        """Turns that the index is to have; how many there were."""
        now = self._clock()
        turns = await self._indexing.untold(now, now + MINE, AT_ONCE)
        fault = None
        for one in turns:
            try:
                if not await self._index.put(one.user_id, one.session, one.turn):
                    log.warning("The turn %s will not be found: the index does not take it.", one.turn.id)
            except KnowledgeDown as down:  # perhaps only this account's
                fault = down
                continue
            await self._indexing.told(one)
        if fault is not None:
            raise fault
        return len(turns)

    async def _forget(self) -> int:
        """Turns that the index is to forget; how many there were."""
        now = self._clock()
        gone = await self._indexing.gone(now, now + MINE, AT_ONCE * 10)
        by_user: dict[str, list[str]] = {}
        for one in gone:
            by_user.setdefault(one.user_id, []).append(one.turn_id)
        for user_id, turns in by_user.items():
            await self._index.forget(user_id, turns)
            numbers = [one.number for one in gone if one.user_id == user_id]
            await self._indexing.forgotten(numbers, now - 2 * MINE, now + 2 * MINE)
        return len(gone)

    async def drain(self, seconds: float) -> None:
        """Wait for what is being told, so long; then leave it to others, or to the next start."""
        if self._task is not None and not self._task.done():
            await asyncio.wait({self._task}, timeout=seconds)
            self._task.cancel()
            await asyncio.wait({self._task}, timeout=seconds)
