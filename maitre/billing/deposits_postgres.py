"""Deposits in Postgres."""

from __future__ import annotations

from maitre.billing.deposits import Deposit
from maitre.sql.postgres import Database


class PostgresDeposits:
    """The Deposits of a house."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def deposit(self, deposit: Deposit) -> bool:
        written = await self._database.execute(
            "insert into deposits (id, user_id, amount, currency, at, note) values ($1, $2, $3, $4, $5, $6)"
            " on conflict (id) do nothing",
            deposit.id,
            deposit.user_id,
            deposit.amount,
            deposit.currency,
            deposit.at,
            deposit.note,
        )
        return written == 1

    async def credit(self, user_id: str, currency: str) -> int:
        row = await self._database.fetchrow(
            "select coalesce(sum(amount), 0)::bigint as credit from deposits where user_id = $1 and currency = $2",
            user_id,
            currency,
        )
        assert row is not None, "a sum is always one row"
        return int(row["credit"])
