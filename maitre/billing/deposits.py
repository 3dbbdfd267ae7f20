"""Deposits: what an account has paid in. What it may spend is that, less what its rows cost."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Protocol


@dataclass(frozen=True, slots=True)
class Deposit:
    """One payment by its own id. `amount` is in 10⁻⁹ of the currency; of a correction it is negative."""

    id: str
    user_id: str
    amount: int
    currency: str
    at: datetime
    note: str = ""


class Deposits(Protocol):
    """The house's payments in."""

    async def deposit(self, deposit: Deposit) -> bool:
        """Write it down, once; False when a deposit of this id was there before."""

    async def credit(self, user_id: str, currency: str) -> int:
        """What the account has paid in, in 10⁻⁹ of this currency."""
