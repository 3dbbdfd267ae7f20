"""The pulse of a process: every hold and open row of it lives on while the process does, and what was relayed of each
answer is checkpointed at least every second.

A process that was killed leaves holds that end within LEASE, and rows that the sweep closes at their checkpoint.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from datetime import datetime, timedelta

from maitre.billing.ledger import Ledger
from maitre.billing.row import Call
from maitre.chat.openai_wire import Answer
from maitre.errors import StoreDown
from maitre.providers.size import Ratios
from maitre.quota.store import QuotaStore

log = logging.getLogger(__name__)

#: How long a hold lives without a sign of life.
LEASE = timedelta(seconds=30)

#: How often holds are given a new lease.
RENEW = timedelta(seconds=8)

#: Seconds between beats. A checkpoint is at most this and one statement old.
BEAT = 0.7


class Pulse:
    """Knows the live holds of a process."""

    def __init__(self, store: QuotaStore, ledger: Ledger, ratios: Ratios, clock: Callable[[], datetime]) -> None:
        self._store, self._ledger = store, ledger
        self._ratios, self._clock = ratios, clock
        self._holds: set[str] = set()
        self._calls: dict[str, tuple[Call, Answer]] = {}
        self._noted: dict[str, int] = {}
        self._renewed: datetime | None = None

    @property
    def holds(self) -> int:
        """How many live."""
        return len(self._holds)

    def hold(self, hold_id: str) -> None:
        """The hold was taken."""
        self._holds.add(hold_id)

    def call(self, call: Call, answer: Answer) -> None:
        """The call of the hold is being made."""
        self._calls[call.request_id] = (call, answer)

    def end(self, hold_id: str) -> None:
        """The hold was settled or given back."""
        self._holds.discard(hold_id)
        self._calls.pop(hold_id, None)
        self._noted.pop(hold_id, None)

    def relayed(self, call: Call, answer: Answer) -> int:
        """Tokens of the answer that went to the guest so far, rather too many than too few, at most the hold."""
        likely = self._ratios.tokens(call.model, answer.size)
        return min(call.held_completion, max(answer.fewest_tokens, likely))

    async def beat(self) -> None:
        """One beat. A store that is down hears the next one, and keeps nobody waiting for the other."""
        now = self._clock()
        until = now + LEASE
        # Both ways: after a step back of the clock new holds end soon, though the old ones last long.
        renew = self._renewed is None or abs(now - self._renewed) >= RENEW
        heard = await asyncio.gather(self._tell_ledger(until, renew), self._tell_store(until, renew))
        if renew:
            self._renewed = now if all(heard) else None  # else tried again at the next beat

    async def _tell_ledger(self, until: datetime, renew: bool) -> bool:
        moved = {
            id: self.relayed(call, answer)
            for id, (call, answer) in self._calls.items()
            if renew or self._noted.get(id) != answer.size
        }
        if not moved:
            return True
        sizes = {id: self._calls[id][1].size for id in moved}
        rows = {id: tokens if self._calls[id][0].streamed else None for id, tokens in moved.items()}
        try:
            await self._ledger.beat(rows, until)
        except StoreDown as down:
            log.debug("A checkpoint is late: %s", down)
            return False
        self._noted |= {id: size for id, size in sizes.items() if id in self._calls}
        return True

    async def _tell_store(self, until: datetime, renew: bool) -> bool:
        if not renew or not self._holds:
            return True
        try:
            await self._store.beat(tuple(self._holds), until)
        except StoreDown as down:
            log.debug("Holds are not renewed: %s", down)
            return False
        return True
