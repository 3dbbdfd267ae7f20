"""The live windows, behind a Protocol: Valkey's in a house, the in-memory twin's in tests. One contract suite
(`tests/contract/test_quota_store.py`) holds both to the same behaviour.

Everything in a store can be rebuilt from the ledger. Per account it keeps counters by period, the times of the
last minute's requests, how many calls each recent turn has made, and the live holds. An account is *unloaded*
when the store has never seen it, has lost it, last loaded it on another day, or finds a hold that outlived its
expiry: then `reserve` says so, and `maitre.quota.admission` loads it from the ledger.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from maitre.billing.row import Totals
from maitre.quota.reservation import Answer, Ask


@dataclass(frozen=True, slots=True)
class Live:
    """What an account has used and holds right now, for `cli quota explain`."""

    fields: Mapping[str, int]
    minute: int
    minute_frees_at: datetime | None  # when the oldest request of the last minute leaves it
    held_tokens: int


class QuotaStore(Protocol):
    """The live windows of all accounts."""

    async def reserve(self, ask: Ask) -> Answer:
        """Check every window at once and take the hold, or change nothing. Twice with one hold id is once."""

    async def settle(self, user_id: str, hold_id: str, tokens: Mapping[str, int]) -> bool:
        """Replace the hold by what was used, added to the named counters. Only the first call does anything; of a
        hold that it does not know the store unloads the account, so that the ledger decides."""

    async def release(self, user_id: str, hold_id: str, turn_id: str, requests: tuple[str, ...]) -> bool:
        """Undo a reservation whose upstream call was never made: the hold, the request or task, the turn's call.
        `requests` are the counters of requests, the day's first."""

    async def generation(self, user_id: str) -> int:
        """A number that changes whenever something happened to an unloaded account."""

    async def load(self, user_id: str, day: str, totals: Totals, generation: int) -> bool:
        """Load an unloaded account, unless its generation changed since the ledger was read."""

    async def live(self, user_id: str, now: datetime) -> Live | None:
        """What the account has used and holds, or None when it is unloaded."""
