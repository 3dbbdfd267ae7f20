"""Admission: reserve in the live store, loading from the ledger what the store does not know."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from datetime import datetime

from maitre.billing.ledger import Ledger
from maitre.errors import StoreDown
from maitre.quota.explain import live_of
from maitre.quota.reservation import Ask, Denied, Granted, Unloaded
from maitre.quota.store import Live, QuotaStore
from maitre.quota.subject import Subject
from maitre.quota.window import Periods

#: Loading races only with what happens to the same subject; each lost race means that another call made progress.
_ATTEMPTS = 20


class Admission:
    """The way to the live windows, for one event loop. Calls that find the same subject unloaded share one load."""

    def __init__(self, store: QuotaStore, ledger: Ledger) -> None:
        self._store, self._ledger = store, ledger
        self._loading: dict[tuple[Subject, str, bool], asyncio.Task[bool]] = {}

    async def admit(self, ask: Ask) -> Granted | Denied:
        """The store's verdict. Raises StoreDown when either store does not answer: nothing is admitted unchecked."""
        for attempt in range(_ATTEMPTS):
            answer = await self._store.reserve(ask)
            if not isinstance(answer, Unloaded):
                return answer
            if not all(await asyncio.gather(*(self._load(subject, ask) for subject in answer.subjects))):
                await asyncio.sleep(0.002 * attempt)
        raise StoreDown("The live windows keep changing and could not be loaded from the ledger.")

    async def confirm(self, ask: Ask, granted: Granted) -> Granted | Denied:
        """The verdict once the call's row is in the ledger, and before the upstream is called.

        From then on every load finds the row, so that no loss of the live store can give the hold's room to others.
        Denied means that it got lost in between, and its room is gone: the row is to be withdrawn, then the hold
        released. Raises StoreDown as `admit` does.
        """
        if await self._store.knows(ask.hold_id, ask.subjects):
            return granted
        return await self.admit(ask.again(granted))

    async def rebuild(self, subjects: Iterable[Subject] | None = None) -> int:
        """Forget the live windows of these subjects, or all: the next call loads them from the ledger. How many."""
        return await self._store.unload(subjects)

    async def look(self, subject: Subject, now: datetime, when: Periods) -> Live:
        """What the subject has used and holds; from the ledger when the store does not know it."""
        live = await self._store.live(subject, now)
        return live or live_of(await self._ledger.totals(subject, now, when), now)

    async def _load(self, subject: Subject, ask: Ask) -> bool:
        # What lies before this month is read only where something limits it: the rows of a house are too many.
        totals = any(one.subject == subject and one.window.span in ("total", "balance") for one in ask.limits)
        ever = totals or subject.scope in ("account", "key")
        key = (subject, ask.periods.day, ever)
        loading = self._loading.get(key)
        if loading is None:
            loading = self._loading[key] = asyncio.create_task(self._load_once(subject, ask.now, ask.periods, ever))
            loading.add_done_callback(lambda _: self._loading.pop(key))
        return await asyncio.shield(loading)  # others wait for it too

    async def _load_once(self, subject: Subject, now: datetime, when: Periods, ever: bool) -> bool:
        generation = await self._store.generation(subject)
        totals = await self._ledger.totals(subject, now, when, ever=ever)
        return await self._store.load(subject, when.day, totals, generation)
