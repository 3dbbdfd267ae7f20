"""The action log in Postgres."""

from __future__ import annotations

from datetime import datetime

from maitre.actions.action import Action
from maitre.sql.postgres import Database

_ADD = """
insert into actions (at, who, key_id, address, what, target, detail)
select * from unnest($1::timestamptz[], $2::text[], $3::text[], $4::text[], $5::text[], $6::text[], $7::jsonb[])
"""
_NEWEST = """
select at, who, key_id as key, address, what, target, detail from actions
where ($1::text is null or who = $1) and ($2::timestamptz is null or at >= $2)
  and ($3::text is null or what = $3 or starts_with(what, $3 || '.'))
order by id desc limit $4
"""


class PostgresActions:
    """Actions in a table."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def add(self, actions: list[Action]) -> None:
        """Write them, all or none."""
        rows = [(one.at, one.who, one.key, one.address, one.what, one.target, dict(one.detail)) for one in actions]
        await self._database.execute(_ADD, *map(list, zip(*rows, strict=True)))

    async def newest(
        self, *, who: str | None = None, since: datetime | None = None, what: str | None = None, limit: int = 100
    ) -> list[Action]:
        """The newest first; `what` is a whole name or its beginning (`key`)."""
        return [Action(**row) for row in await self._database.fetch(_NEWEST, who, since, what, limit)]

    async def forget(self, before: datetime) -> int:
        """Delete what is older; how many."""
        return await self._database.execute("delete from actions where at < $1", before)
