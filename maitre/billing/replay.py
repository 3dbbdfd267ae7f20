"""Writing a journal into the ledger: all of it, each call once, however often it is begun.

Everything is by request id: a row is opened unless it is there, closed unless it is closed. So a replay that is cut
short anywhere is simply done again. The journal is removed last.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence

from maitre.billing.journal import Fate, beats, opening, read
from maitre.billing.journals import Journal
from maitre.billing.ledger import Ledger
from maitre.quota.subject import Subject

log = logging.getLogger(__name__)

#: Hears whose rows were written.
Changed = Callable[[frozenset[Subject]], Awaitable[object]]


class Replay:
    """One journal on its way into the ledger. `changed` hears whose rows were written before the journal goes."""

    def __init__(self, journal: Journal, ledger: Ledger, changed: Changed) -> None:
        self._journal, self._ledger, self._changed = journal, ledger, changed
        self.written: set[str] = set()  # the calls that have their rows
        self._subjects: set[Subject] = set()
        self._aside: list[bytes] = []

    async def run(self) -> None:
        """Write all of the journal, then remove it. Raises StoreDown; run again, it goes on from there."""
        removed = False
        while not removed:
            while lines := await self._journal.read():
                await self._apply(lines)
                self._journal.passed(len(lines))
            if self._subjects:
                await self._changed(frozenset(self._subjects))
                self._subjects.clear()
            if self._aside:
                where = await self._journal.put_aside(self._aside)
                log.error("%s lines of a journal have no place in the ledger; see %s.", len(self._aside), where)
                self._aside.clear()
            removed = await self._journal.remove()
        if self.written:
            log.warning("%s calls that Postgres had missed are in the ledger now.", len(self.written))

    async def _apply(self, lines: bytes) -> None:
        fates, aside = read(lines)
        fates = await _those_that_can_be(self._open, fates, aside)
        for expires_at, relayed in beats(fates).items():
            await self._ledger.beat(relayed, expires_at)
        fates = await _those_that_can_be(self._end, fates, aside)
        for call in (fate.call for fate in fates if fate.call is not None):
            self.written.add(call.request_id)
            self._subjects.update(call.subjects)
        self._aside += aside

    async def _open(self, fate: Fate) -> None:
        if (row := opening(fate)) is not None:
            await self._ledger.open(*row)

    async def _end(self, fate: Fate) -> None:
        if fate.withdrawn:
            await self._ledger.withdraw(fate.request_id)
        elif fate.settled is not None:
            await self._ledger.settle(fate.settled.settlement, fate.settled.words)


async def _those_that_can_be(
    step: Callable[[Fate], Awaitable[None]], fates: Sequence[Fate], aside: list[bytes]
) -> list[Fate]:
    """Take the step for all; those that the ledger can hold. The lines of the others go to `aside`."""
    done = []
    for fate, fault in zip(fates, await asyncio.gather(*map(step, fates), return_exceptions=True), strict=True):
        if isinstance(fault, ValueError):
            aside += fate.lines
        elif fault is not None:
            raise fault
        else:
            done.append(fate)
    return done
