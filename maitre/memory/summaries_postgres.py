"""The running summaries, in the rows of their sessions."""

from __future__ import annotations

from datetime import datetime

import asyncpg

from maitre.memory.session import SessionTurn
from maitre.memory.summaries import MOST, Fold, staying
from maitre.sql.postgres import Database

_TAKE = """
update sessions s set summarizing_until = $4
where user_id = $1 and id = $2 and (summarizing_until is null or summarizing_until <= $3) and $5 < (
    select count(*) from session_turns t where t.user_id = $1 and t.session_id = $2 and t.number > s.summarized
)
returning summary, summarized, created_at
"""
_LEFT = """
select number, delete_at, turn_id, at, messages from session_turns
where user_id = $1 and session_id = $2 and number > $3 and number <= (
    select number from session_turns where user_id = $1 and session_id = $2 order by number desc offset $4 limit 1
)
order by number limit $5
"""
_MINE = "user_id = $1 and id = $2 and created_at = $3 and summarized = $4 and summarizing_until = $5"
_END = f"""
update sessions set summary = $6, summarized = $7, summary_delete_at = least(summary_delete_at, $8),
    summarizing_until = null
where {_MINE}
"""
_PUT_OFF = f"update sessions set summarizing_until = $6 where {_MINE}"


class PostgresSummaries:
    """The summaries of the house's sessions."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def begin(self, user_id: str, session_id: str, load: int, now: datetime, until: datetime) -> Fold | None:
        async def take(connection: asyncpg.Connection) -> Fold | None:
            row = await connection.fetchrow(_TAKE, user_id, session_id, now, until, load)
            if row is None:
                return None
            left = await connection.fetch(_LEFT, user_id, session_id, row["summarized"], staying(load), MOST)
            turns = tuple(
                (one["number"], one["delete_at"], SessionTurn(one["turn_id"], one["at"], tuple(one["messages"])))
                for one in left
            )
            return Fold(user_id, session_id, row["created_at"], row["summary"], row["summarized"], until, turns)

        return await self._database.transaction(take)

    async def end(self, fold: Fold, summary: str, count: int) -> bool:
        folded = fold.turns[:count]
        oldest = min(delete_at for _, delete_at, _ in folded)
        return await self._database.execute(_END, *_of(fold), summary, folded[-1][0], oldest) == 1

    async def put_off(self, fold: Fold, until: datetime) -> None:
        await self._database.execute(_PUT_OFF, *_of(fold), until)


def _of(fold: Fold) -> tuple[object, ...]:
    return fold.user_id, fold.session_id, fold.created_at, fold.since, fold.until
