"""A ledger that goes away when a test says so, and an engine over it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from maitre.billing.journals import Journals
from maitre.billing.ledger import Ledger
from maitre.billing.ledger_journaled import JournaledLedger
from maitre.billing.row import Call, Settlement, Totals, Words
from maitre.errors import StoreDown
from maitre.quota.subject import Subject
from maitre.quota.window import Periods
from tests.contract.rows import call


class MoodyLedger:
    """Over another one. `mood`: `up`; `down` (does nothing); `deaf` (does it, but the confirmation gets lost). It
    turns down by itself after `patience` more calls."""

    def __init__(self, ledger: Ledger) -> None:
        self.ledger = ledger
        self.mood = "up"
        self.patience: int | None = None
        self.asked = 0

    async def _do(self, name: str, *words: Any, **named: Any) -> Any:
        self.asked += 1
        if self.patience is not None:
            self.patience -= 1
            if self.patience < 0:
                self.mood = "down"
        if self.mood != "down":
            answer = await getattr(self.ledger, name)(*words, **named)
            if self.mood == "up":
                return answer
        raise StoreDown("Postgres does not answer")

    async def open(self, call: Call, relayed: int = 0) -> None:
        await self._do("open", call, relayed)

    async def withdraw(self, request_id: str) -> bool:
        return bool(await self._do("withdraw", request_id))

    async def find_open(self, user_id: str, door: str, model: str, turn_id: str | None) -> Call | None:
        found: Call | None = await self._do("find_open", user_id, door, model, turn_id)
        return found

    async def settle(self, settlement: Settlement, words: Words | None) -> bool:
        return bool(await self._do("settle", settlement, words))

    async def beat(self, relayed: Mapping[str, int | None], expires_at: datetime) -> None:
        await self._do("beat", relayed, expires_at)

    async def totals(self, subject: Subject, now: datetime, when: Periods, *, ever: bool = True) -> Totals:
        found: Totals = await self._do("totals", subject, now, when, ever=ever)
        return found

    async def sweep(self, now: datetime) -> int:
        return int(await self._do("sweep", now))


@dataclass
class Engine:
    """One engine's ledger, over a Postgres that may go away."""

    under: MoodyLedger
    journals: Journals
    told: list[frozenset[Subject]] = field(default_factory=list)
    deaf: bool = False  # whether the live windows cannot be told

    def __post_init__(self) -> None:
        self.ledger = JournaledLedger(self.under, self.journals, self.heard)

    async def heard(self, subjects: frozenset[Subject]) -> None:
        """A replay has written rows of these."""
        if self.deaf:
            raise StoreDown("Valkey does not answer")
        self.told.append(subjects)

    async def serve(self, name: str) -> None:
        """Open a call of a plan that fails open."""
        await self.ledger.open(call(name), fail_open=True)
