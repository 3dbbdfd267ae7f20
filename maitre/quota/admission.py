"""Admission: reserve in the live store, loading an account from the ledger when the store does not know it."""

from __future__ import annotations

import asyncio

from maitre.billing.ledger import Ledger
from maitre.errors import StoreDown
from maitre.quota.reservation import Ask, Denied, Granted, Unloaded
from maitre.quota.store import QuotaStore

#: Loading races only with settlements of the same account; each lost race means another one made progress.
_ATTEMPTS = 20


async def admit(store: QuotaStore, ledger: Ledger, ask: Ask) -> Granted | Denied:
    """The store's verdict. Raises StoreDown when either store does not answer: nothing is admitted unchecked."""
    for attempt in range(_ATTEMPTS):
        answer = await store.reserve(ask)
        if not isinstance(answer, Unloaded):
            return answer
        generation = await store.generation(ask.user_id)
        totals = await ledger.totals(ask.user_id, ask.now, ask.periods)
        if not await store.load(ask.user_id, ask.periods.day, totals, generation):
            await asyncio.sleep(0.002 * attempt)
    raise StoreDown("The live windows of this account keep changing; the account could not be loaded.")
