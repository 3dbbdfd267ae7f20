"""What the index of turns is still to be told, in Postgres: columns of the turns, and the table of those that are
gone."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime

from maitre.memory.indexing import Gone, Untold
from maitre.memory.session import Session, SessionTurn
from maitre.sql.postgres import Database

_UNTOLD = """
with due as (
    select user_id, session_id, number from session_turns where index_at <= $1
    order by index_at limit $3 for update skip locked
), taken as (
    update session_turns t set index_at = $2 from due
    where t.user_id = due.user_id and t.session_id = due.session_id and t.number = due.number
    returning t.user_id, t.session_id, t.turn_id, t.at, t.messages
)
select k.user_id, k.turn_id, k.at, k.messages, s.id, s.assistant, s.created_at, s.used_at, s.browser
from taken k join sessions s on s.user_id = k.user_id and s.id = k.session_id order by k.at
"""
_TOLD = """
update session_turns set index_at = null
where user_id = $1 and session_id = $2 and turn_id = $3 and index_at = $4
"""
_GONE = """
with due as (
    select number from gone_turns where next_at <= $1 order by next_at limit $3 for update skip locked
)
update gone_turns g set next_at = $2 from due where g.number = due.number returning g.number, g.user_id, g.turn_id
"""


class PostgresIndexing:
    """The list of what is to be told."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def untold(self, now: datetime, until: datetime, limit: int) -> list[Untold]:
        rows = await self._database.fetch(_UNTOLD, now, until, limit)
        return [
            Untold(
                row["user_id"],
                Session(row["id"], row["assistant"], row["created_at"], row["used_at"], row["browser"]),
                SessionTurn(row["turn_id"], row["at"], tuple(row["messages"])),
                until,
            )
            for row in rows
        ]

    async def told(self, one: Untold) -> None:
        await self._database.execute(_TOLD, one.user_id, one.session.id, one.turn.id, one.until)

    async def gone(self, now: datetime, until: datetime, limit: int) -> list[Gone]:
        rows = await self._database.fetch(_GONE, now, until, limit)
        return [Gone(row["number"], row["user_id"], row["turn_id"]) for row in rows]

    async def forgotten(self, numbers: Collection[int], before: datetime, again: datetime) -> None:
        told = list(numbers)
        await self._database.execute("delete from gone_turns where number = any($1) and at <= $2", told, before)
        await self._database.execute("update gone_turns set next_at = $2 where number = any($1)", told, again)
