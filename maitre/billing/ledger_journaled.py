"""A ledger that records calls while Postgres is down: for plans that are served all the same, never unrecorded.

A call that could not be opened in the ledger lives in this engine's journal: its beats and its end go there, too, in
order, until `replay` has written all of it into the ledger and removed the journal. Everything is written by request
id and takes effect once, so that a replay which is cut short, or done twice, changes nothing.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from datetime import datetime

from maitre.billing.journal import Beaten, Opened, Settled, Withdrawn, line
from maitre.billing.journals import Journals
from maitre.billing.ledger import Ledger
from maitre.billing.replay import Changed, Replay
from maitre.billing.row import Call, Settlement, Totals, Words
from maitre.errors import StoreDown
from maitre.quota.subject import Subject
from maitre.quota.window import Periods


class JournaledLedger:
    """A Ledger over another one. `changed` is told whose rows a replay wrote, so that the live windows are loaded
    anew; the journal stays until it has heard it."""

    def __init__(self, ledger: Ledger, journals: Journals, changed: Changed) -> None:
        self._ledger, self._journals, self._changed = ledger, journals, changed
        self._calls: dict[str, Call] = {}  # those that live in our journal
        self._replay = Replay(journals.own, ledger, self._written)
        self._replaying = asyncio.Lock()
        self._down = False  # then nobody waits for Postgres to time out; the next replay sees whether it answers

    async def open(self, call: Call, relayed: int = 0, *, fail_open: bool = False) -> None:
        """As the ledger; with `fail_open` the call is journaled when the ledger is down. Raises StoreDown when it
        could be written to neither."""
        if not (fail_open and self._down):
            try:
                await self._ledger.open(call, relayed)
            except StoreDown:
                if not fail_open:
                    raise
            else:
                self._down = False
                return
        self._calls[call.request_id] = call
        try:
            await self._journals.own.append(line(Opened(call)), bounded=True)
        except StoreDown:
            self._calls.pop(call.request_id, None)
            raise
        self._down = True

    async def withdraw(self, request_id: str) -> bool:
        return await self._end(request_id, lambda _: Withdrawn(request_id)) or await self._ledger.withdraw(request_id)

    async def settle(self, settlement: Settlement, words: Words | None) -> bool:
        journaled = await self._end(settlement.request_id, lambda call: Settled(call, settlement, words))
        return journaled or await self._ledger.settle(settlement, words)

    async def _end(self, request_id: str, entry: Callable[[Call], Settled | Withdrawn]) -> bool:
        """End a call in the journal, if it lives there."""
        call = self._calls.pop(request_id, None)
        if call is None:
            return False
        try:
            await self._journals.own.append(line(entry(call)), bounded=False)
        except BaseException:
            self._calls[request_id] = call
            raise
        return True

    async def beat(self, relayed: Mapping[str, int | None], expires_at: datetime) -> None:
        ours = {id: tokens for id, tokens in relayed.items() if id in self._calls}
        rest = {id: tokens for id, tokens in relayed.items() if id not in ours}
        steps = [self._ledger.beat(rest, expires_at)] if rest else []
        for fault in await asyncio.gather(*steps, self._beat(ours, expires_at), return_exceptions=True):
            if fault is not None:
                raise fault

    async def _beat(self, relayed: Mapping[str, int | None], expires_at: datetime) -> None:
        if relayed:
            await self._journals.own.append(line(Beaten(relayed, expires_at)), bounded=True)

    async def find_open(self, user_id: str, door: str, model: str, turn_id: str | None) -> Call | None:
        wanted = (user_id, door, model)
        ours = [call for call in self._calls.values() if (call.user_id, call.door, call.model) == wanted]
        ours = [call for call in ours if turn_id in (None, call.turn_id)]
        try:
            known = await self._ledger.find_open(user_id, door, model, turn_id)
        except StoreDown:
            if not ours:
                raise
            known = None
        return min([*([known] if known else []), *ours], key=lambda call: call.at, default=None)

    async def totals(self, subject: Subject, now: datetime, when: Periods, *, ever: bool = True) -> Totals:
        if self._journals.own.size:
            await self._replay_own()
        return await self._ledger.totals(subject, now, when, ever=ever)

    async def sweep(self, now: datetime) -> int:
        return await self._ledger.sweep(now)

    async def replay(self) -> int:
        """Write our journal and those of dead engines into the ledger; how many calls. Raises StoreDown when it does
        not answer; what is not in the ledger then stays in the journals."""
        calls = await self._replay_own()
        left = await self._journals.left_behind()
        try:
            for journal in left:
                replay = Replay(journal, self._ledger, self._changed)
                await replay.run()
                calls += len(replay.written)
        finally:
            for journal in left:
                await journal.close()
        return calls

    async def _replay_own(self) -> int:
        async with self._replaying:
            replay = self._replay
            await replay.run()
            self._down = False
            for request_id in replay.written:
                self._calls.pop(request_id, None)
            self._replay = Replay(self._journals.own, self._ledger, self._written)
            return len(replay.written)

    async def _written(self, subjects: frozenset[Subject]) -> None:
        self._down = False
        await self._changed(subjects)
