"""Sessions in Postgres."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime

import asyncpg

from maitre.memory.session import Session, SessionTurn
from maitre.sql.postgres import Database

_READ = """
select s.id, s.assistant, s.created_at, s.used_at, s.browser, s.summary, t.turn_id, t.at, t.messages
from sessions s left join lateral (
    select number, turn_id, at, messages from session_turns
    where user_id = s.user_id and session_id = s.id order by number desc limit $3
) t on true
where s.user_id = $1 and s.id = $2 order by t.number
"""
# Of each of the newest chats as many turns as are wanted in all: the newest turns are among these.
_ELSEWHERE = """
select t.turn_id, t.at, t.messages from (
    select id from sessions where user_id = $1 and assistant = $2 and browser and id <> $3
    order by used_at desc limit $4
) s cross join lateral (
    select turn_id, at, messages from session_turns
    where user_id = $1 and session_id = s.id order by number desc limit $4
) t
order by t.at desc, t.turn_id desc limit $4
"""
# Of the session of that id, or of the browser's other chats.
_THOSE = """
select t.turn_id, t.at, t.messages from session_turns t
where t.user_id = $1 and t.session_id = $2 and t.turn_id = any($3) order by t.number
"""
_THOSE_ELSEWHERE = """
select t.turn_id, t.at, t.messages
from session_turns t join sessions s on s.user_id = t.user_id and s.id = t.session_id
where t.user_id = $1 and t.session_id <> $2 and t.turn_id = any($3) and s.browser and s.assistant = $4
order by t.at, t.turn_id
"""
# Whoever has written the session's row has it locked: its turns get their places one after another.
_TOUCH = """
insert into sessions (user_id, id, assistant, browser, created_at, used_at, delete_at)
values ($1, $2, $3, $4, $5, $6, $7)
on conflict (user_id, id) do update set
    used_at = greatest(sessions.used_at, excluded.used_at),
    delete_at = greatest(sessions.delete_at, excluded.delete_at)
where sessions.assistant = excluded.assistant
returning 1
"""
_LOCK = "select 1 from sessions where user_id = $1 and id = $2 for update"
_APPEND = """
insert into session_turns (user_id, session_id, number, turn_id, at, delete_at, messages, indexed, index_at)
select $1, $2, 1 + coalesce(max(number), 0), $3::text, $4::timestamptz, $5::timestamptz, $6::jsonb,
    $7::timestamptz is not null, $7::timestamptz
from session_turns where user_id = $1 and session_id = $2
on conflict (user_id, session_id, turn_id) do update set messages = excluded.messages, delete_at = excluded.delete_at,
    indexed = session_turns.indexed or excluded.indexed, index_at = excluded.index_at
"""
_SHORTEN = """
delete from session_turns where user_id = $1 and session_id = $2 and number <= (
    select number from session_turns where user_id = $1 and session_id = $2 order by number desc offset $3 limit 1
)
"""
_OF = """
select id, assistant, created_at, used_at, browser, '' as summary from sessions s
where user_id = $1 and ($3::text[] is null or assistant = any($3))
and ($2::text is null or
     (created_at, id) < (select created_at, id from sessions where user_id = $1 and id = $2))
order by created_at desc, id desc limit $4
"""


_FORGET_SUMMARIES = """
update sessions set summary = '', summarized = 0, summary_delete_at = null, summarizing_until = null
where summary_delete_at < $1
"""


class PostgresSessions:
    """The sessions of the house."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def read(self, user_id: str, id: str, limit: int) -> tuple[Session, list[SessionTurn]] | None:
        rows = await self._database.fetch(_READ, user_id, id, limit)
        if not rows:
            return None
        return _session(rows[0]), [_turn(row) for row in rows if row["turn_id"] is not None]

    async def elsewhere(self, user_id: str, assistant: str, but: str, limit: int) -> list[SessionTurn]:
        rows = await self._database.fetch(_ELSEWHERE, user_id, assistant, but, limit)
        return [_turn(row) for row in reversed(rows)]

    async def those(self, user_id: str, session: Session, ids: Collection[str]) -> list[SessionTurn]:
        if session.browser:
            rows = await self._database.fetch(_THOSE_ELSEWHERE, user_id, session.id, list(ids), session.assistant)
        else:
            rows = await self._database.fetch(_THOSE, user_id, session.id, list(ids))
        return [_turn(row) for row in rows]

    async def keep(
        self,
        user_id: str,
        session: Session,
        turn: SessionTurn,
        keep: int,
        delete_at: datetime,
        *,
        known: bool = False,
        index_at: datetime | None = None,
    ) -> bool:
        one = session

        async def write(connection: asyncpg.Connection) -> bool:
            # Locked as by the insert: nobody deletes it before the turn is in it.
            if known and await connection.fetchrow(_LOCK, user_id, one.id) is None:
                return False
            values = user_id, one.id, one.assistant, one.browser, one.created_at, one.used_at, delete_at
            if await connection.fetchrow(_TOUCH, *values) is None:
                return False
            said = turn.id, turn.at, delete_at, list(turn.messages), index_at
            await connection.execute(_APPEND, user_id, one.id, *said)
            await connection.execute(_SHORTEN, user_id, one.id, keep)
            return True

        return await self._database.transaction(write)

    async def of(
        self, user_id: str, limit: int, after: str | None, assistants: Collection[str] | None
    ) -> list[Session] | None:
        if after is not None and await self.read(user_id, after, 0) is None:
            return None
        named = None if assistants is None else list(assistants)
        return [_session(row) for row in await self._database.fetch(_OF, user_id, after, named, limit)]

    async def drop(self, user_id: str, id: str) -> bool:
        return await self._database.execute("delete from sessions where user_id = $1 and id = $2", user_id, id) == 1

    async def forget(self, now: datetime) -> int:
        count = await self._database.execute("delete from session_turns where delete_at < $1", now)
        await self._database.execute("delete from sessions where delete_at < $1", now)
        await self._database.execute(_FORGET_SUMMARIES, now)
        return count


def _session(row: asyncpg.Record) -> Session:
    return Session(row["id"], row["assistant"], row["created_at"], row["used_at"], row["browser"], row["summary"])


def _turn(row: asyncpg.Record) -> SessionTurn:
    return SessionTurn(row["turn_id"], row["at"], tuple(row["messages"]))
