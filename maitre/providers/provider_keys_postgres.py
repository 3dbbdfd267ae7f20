"""Sealed provider keys in Postgres."""

from __future__ import annotations

from collections.abc import Sequence

from maitre.providers.provider_keys import SealedKey
from maitre.sql.postgres import Database


class PostgresProviderKeys:
    """The sealed keys of the house. A trigger raises the catalogue's version."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def put(self, key: SealedKey) -> None:
        """Write the key, instead of an older one of its name."""
        await self._database.execute(
            "insert into provider_keys (name, sealed, set_at) values ($1, $2, $3)"
            " on conflict (name) do update set sealed = excluded.sealed, set_at = excluded.set_at",
            key.name,
            key.sealed,
            key.set_at,
        )

    async def all(self) -> Sequence[SealedKey]:
        """All of them, by name."""
        rows = await self._database.fetch('select name, sealed, set_at from provider_keys order by name collate "C"')
        return [SealedKey(row["name"], row["sealed"], row["set_at"]) for row in rows]

    async def remove(self, name: str) -> bool:
        """Forget the key; False when there is none."""
        query = "delete from provider_keys where name = $1 returning name"
        return await self._database.fetchrow(query, name) is not None
