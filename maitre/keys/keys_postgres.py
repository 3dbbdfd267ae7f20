"""API keys in Postgres."""

from __future__ import annotations

from datetime import datetime

import asyncpg

from maitre.keys.key import Key
from maitre.sql.postgres import Database

_COLUMNS = "id, user_id, name, digest, created_at, expires_at, revoked_at, models, limits, manages"


class PostgresKeys:
    """The keys of the house."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def find(self, id: str) -> tuple[Key, bytes] | None:
        """The key and its digest, whether it is live or not."""
        row = await self._database.fetchrow(f"select {_COLUMNS} from api_keys where id = $1", id)
        return None if row is None else (_key(row), row["digest"])

    async def of(self, user_id: str) -> list[Key]:
        """All keys of an account, the newest first."""
        query = f"select {_COLUMNS} from api_keys where user_id = $1 order by created_at desc, id"
        return [_key(row) for row in await self._database.fetch(query, user_id)]

    async def add(self, key: Key, digest: bytes) -> None:
        """Write a new key."""
        await self._database.execute(
            f"insert into api_keys ({_COLUMNS}) values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)",
            key.id, key.user_id, key.name, digest, key.created_at, key.expires_at, key.revoked_at, list(key.models),
            dict(key.limits), key.manages,
        )  # fmt: skip

    async def revoke(self, id: str, now: datetime) -> bool:
        """End a key; False when there is none, or it had ended before."""
        query = "update api_keys set revoked_at = $2 where id = $1 and revoked_at is null returning id"
        return await self._database.fetchrow(query, id, now) is not None


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
    )
