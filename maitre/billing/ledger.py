"""The ledger, behind a Protocol: Postgres in a house, the in-memory twin in tests."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Protocol

from maitre.billing.row import Call, Settlement, Totals, Words
from maitre.quota.subject import Subject
from maitre.quota.window import Periods


class Ledger(Protocol):
    """One row for every upstream call."""

    async def open(self, call: Call, relayed: int = 0) -> None:
        """Write the row, durably, before the upstream is called. `relayed`: what was relayed of a streamed answer
        already, when the row could not be written in time. Raises ValueError for a call that no row can hold."""

    async def withdraw(self, request_id: str) -> bool:
        """Remove a row whose upstream call was never made: an open one, or one that was given up as lost."""

    async def find_open(self, user_id: str, door: str, model: str, turn_id: str | None) -> Call | None:
        """The oldest open row of the account at this door for this model, of this turn if one is named."""

    async def settle(self, settlement: Settlement, words: Words | None) -> bool:
        """Close the row, once; False when it was closed before. A row that was given up as lost is closed all the
        same: what really happened replaces the estimate. Raises ValueError for numbers that no row can hold."""

    async def beat(self, relayed: Mapping[str, int | None], expires_at: datetime) -> None:
        """Let these open rows live until then, and note how many tokens of each answer were relayed so far (None:
        it is not streamed, nobody knows). Neither ever goes back."""

    async def totals(self, subject: Subject, now: datetime, when: Periods, *, ever: bool = True) -> Totals:
        """What the subject has used, from the rows; rows whose hold expired are closed as lost first. Without `ever`
        only the month is summed: a house has more rows than can be summed for every load."""

    async def sweep(self, now: datetime) -> int:
        """Close all rows whose hold expired as lost, at what was relayed, else at the size of their hold; how many."""
