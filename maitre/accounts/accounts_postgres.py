"""Accounts in Postgres, with the catalogue's version beside each: one query for all turns that begin meanwhile."""

from __future__ import annotations

from collections.abc import Sequence

import asyncpg

from maitre.accounts.account import Account
from maitre.billing.batch import Batch
from maitre.sql.postgres import Database

_FIND = """
select c.version, a.user_id, a.email, a.name, a.role, a.plan, a.suspended,
       (select coalesce(sum(amount), 0)::bigint from deposits d
        where d.user_id = w.user_id and d.currency = $2) as credit
from catalogue c cross join unnest($1::text[]) with ordinality as w(user_id, place)
left join accounts a on a.user_id = w.user_id
order by w.place
"""
_ADD = """
insert into accounts (user_id, email, name) values ($1, $2, $3)
on conflict (user_id) do update set email = excluded.email, name = excluded.name
"""
_PUT = """
insert into accounts (user_id, email, name, role, plan) values ($1, $2, $3, $4, $5)
on conflict (user_id) do update
set email = excluded.email, name = excluded.name, role = excluded.role, plan = excluded.plan
"""


class PostgresAccounts:
    """The accounts of the house."""

    def __init__(self, database: Database, currency: str) -> None:
        self._database, self._currency = database, currency
        self._arrivals = Batch[str, asyncpg.Record](self._find, shares_faults=True)

    async def arrive(self, user_id: str, email: str, name: str) -> tuple[Account, int]:
        """The account of a guest, made without a plan if new, and the catalogue's version."""
        row = await self._arrivals.add(user_id)
        if row["user_id"] is None or (email and row["email"] != email):
            await self._database.execute(_ADD, user_id, email, name)
        account = Account(
            user_id,
            email or row["email"] or "",
            name or row["name"] or "",
            row["role"] or "user",
            row["plan"],
            row["credit"],
            row["suspended"] or False,
        )
        return account, row["version"]

    async def _find(self, user_ids: list[str]) -> Sequence[asyncpg.Record]:
        return await self._database.fetch(_FIND, user_ids, self._currency)

    async def find(self, who: str) -> Account | None:
        """The account with this Open WebUI user id or e-mail."""
        row = await self._database.fetchrow(
            "select user_id, email, name, role, plan, suspended from accounts"
            " where user_id = $1 or lower(email) = lower($1)"
            " order by user_id = $1 desc, created_at desc limit 1",
            who,
        )
        return None if row is None else Account(**row)

    async def all(self) -> dict[str, Account]:
        """Every account by its user id."""
        rows = await self._database.fetch("select user_id, email, name, role, plan, suspended from accounts")
        return {row["user_id"]: Account(**row) for row in rows}

    async def put(self, account: Account) -> None:
        """Make the account or change it; whether it is suspended stays."""
        await self._database.execute(_PUT, account.user_id, account.email, account.name, account.role, account.plan)

    async def suspend(self, user_id: str, *, suspended: bool) -> None:
        """Refuse the account at every door from now on, or take it back."""
        await self._database.execute("update accounts set suspended = $2 where user_id = $1", user_id, suspended)
