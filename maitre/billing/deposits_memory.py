"""Deposits in memory: the twin of those in Postgres, for tests."""

from __future__ import annotations

from maitre.billing.deposits import Deposit


class MemoryDeposits:
    """Deposits in a dictionary by their ids."""

    def __init__(self) -> None:
        self.all: dict[str, Deposit] = {}

    async def deposit(self, deposit: Deposit) -> bool:
        new = deposit.id not in self.all
        self.all.setdefault(deposit.id, deposit)
        return new

    async def credit(self, user_id: str, currency: str) -> int:
        return sum(one.amount for one in self.all.values() if (one.user_id, one.currency) == (user_id, currency))
