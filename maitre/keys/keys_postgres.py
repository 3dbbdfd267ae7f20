"""API keys in Postgres, with their accounts. All that are looked up in one tick of the loop share a query."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime

import asyncpg

from maitre.accounts.account import Account, Arrived
from maitre.billing.batch import Batch
from maitre.keys.key import Key
from maitre.keys.keys import Stored
from maitre.keys.networks import Networks
from maitre.sql.postgres import Database

_COLUMNS = (
    "id, user_id, name, digest, created_at, expires_at, revoked_at, models, limits, manages, networks, last_used_at"
)
_FIND = """
select k.*, a.email, a.name as account_name, a.role, a.plan, a.suspended, c.version,
       (select coalesce(sum(amount), 0)::bigint from deposits d
        where d.user_id = k.user_id and d.currency = $2) as credit
from api_keys k join accounts a using (user_id) cross join catalogue c where k.id = any($1::text[])
"""
# A retried statement must not make the new secret the old one.
_ROTATE = """
update api_keys
set old_digest = case when digest = $2 then old_digest when $3::timestamptz is null then null else digest end,
    old_until = $3, digest = $2
where id = $1 and revoked_at is null
returning id
"""
_REVOKE = "update api_keys set revoked_at = $2 where id = $1 and (revoked_at is null or revoked_at = $2) returning id"
_USED = """
update api_keys k set last_used_at = u.at
from unnest($1::text[], $2::timestamptz[]) u (id, at)
where k.id = u.id and (k.last_used_at is null or k.last_used_at < u.at)
"""


class PostgresKeys:
    """The keys of the house."""

    def __init__(self, database: Database, currency: str) -> None:
        self._database, self._currency = database, currency
        self._finding: Batch[str, Stored | None] = Batch(self._find, shares_faults=True)

    async def find(self, id: str) -> Stored | None:
        """The key, whether it is live or not."""
        return await self._finding.add(id)

    async def _find(self, ids: list[str]) -> Sequence[Stored | None]:
        found = {row["id"]: _stored(row) for row in await self._database.fetch(_FIND, list(set(ids)), self._currency)}
        return [found.get(id) for id in ids]

    async def of(self, user_id: str | None) -> list[Key]:
        """All keys of an account, or of everybody; the newest first."""
        query = f"select {_COLUMNS} from api_keys where $1::text is null or user_id = $1 order by created_at desc, id"
        return [_key(row) for row in await self._database.fetch(query, user_id)]

    async def add(self, key: Key, digest: bytes) -> None:
        """Write a new key."""
        await self._database.execute(
            f"insert into api_keys ({_COLUMNS}) values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)"
            " on conflict (id) do nothing",
            key.id, key.user_id, key.name, digest, key.created_at, key.expires_at, key.revoked_at, list(key.models),
            dict(key.limits), key.manages, key.networks.to_json(), key.last_used_at,
        )  # fmt: skip

    async def revoke(self, id: str, now: datetime) -> bool:
        """End a key; False when there is none, or it had ended before."""
        return await self._database.fetchrow(_REVOKE, id, now) is not None

    async def rotate(self, id: str, digest: bytes, old_until: datetime | None) -> bool:
        """Give a key that was not revoked another secret; its old one ends then, or at once."""
        return await self._database.fetchrow(_ROTATE, id, digest, old_until) is not None

    async def used(self, uses: Mapping[str, datetime]) -> None:
        """Note when keys were last used."""
        await self._database.execute(_USED, list(uses), list(uses.values()))


def _stored(row: asyncpg.Record) -> Stored:
    old, until = row["old_digest"], row["old_until"]
    account = Account(
        row["user_id"], row["email"], row["account_name"], row["role"], row["plan"], row["credit"], row["suspended"]
    )
    return Stored(_key(row), row["digest"], Arrived(account, row["version"]), old, until)


def _key(row: asyncpg.Record) -> Key:
    return Key(
        id=row["id"],
        user_id=row["user_id"],
        name=row["name"],
        created_at=row["created_at"],
        expires_at=row["expires_at"],
        revoked_at=row["revoked_at"],
        models=tuple(row["models"]),
        limits=row["limits"],
        manages=row["manages"],
        networks=Networks.from_json(row["networks"]),
        last_used_at=row["last_used_at"],
    )
