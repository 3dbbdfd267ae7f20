"""The ledger in Postgres: a row is opened before the upstream is called and settled once."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

import asyncpg

from maitre.billing.price import PriceTable
from maitre.billing.row import Call, Settlement, Totals, Words
from maitre.quota.reservation import TASKS_PER_REQUEST, TURN_TTL
from maitre.quota.window import MINUTE, Periods
from maitre.sql.postgres import Database

_OPEN = """
insert into ledger (request_id, turn_id, chat_id, trace_id, at, user_id, plan, door, assistant, provider, model,
                    kind, counted, held_prompt, held_completion, expires_at, currency, status)
values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, 'open')
on conflict (request_id) do nothing
"""
_SETTLE = """
update ledger set ended_at = $2, first_token_ms = $3, prompt_tokens = $4, completion_tokens = $5, estimated = $6,
                  cost = $7, price_version = $8, status = $9
where request_id = $1 and status = 'open'
"""
_LATE = """
select request_id, model, held_prompt, held_completion from ledger
where status = 'open' and expires_at < $1 and ($2 = '' or user_id = $2)
order by request_id for update skip locked
"""
_FIND_OPEN = """
select request_id, turn_id, chat_id, trace_id, at, user_id, plan, door, assistant, provider, model, kind,
       counted = 1 as counted, held_prompt, held_completion, expires_at, currency
from ledger
where user_id = $1 and door = $2 and model = $3 and status = 'open' and ($4::text is null or turn_id = $4)
order by id limit 1
"""
_TOTALS = """
select coalesce(sum(counted) filter (where at >= $2), 0)                             as requests_day,
       coalesce(sum(counted) filter (where at >= $3), 0)                             as requests_month,
       coalesce(sum(counted), 0)                                                     as requests_total,
       coalesce(sum(prompt_tokens + completion_tokens) filter (where at >= $2), 0)   as tokens_day,
       coalesce(sum(prompt_tokens + completion_tokens) filter (where at >= $3), 0)   as tokens_month,
       coalesce(sum(prompt_tokens + completion_tokens), 0)                           as tokens_total,
       coalesce(sum(case when counted = 1 then $4::int else 1 end)
                filter (where at >= $2 and kind = 'task'), 0)                        as tasks_day
from ledger where user_id = $1
"""
_RECENT = """
select request_id, turn_id, at, kind, counted, status, held_prompt + held_completion as held, expires_at
from ledger where user_id = $1 and (at >= $2 or status = 'open')
"""
#: The public names of a row's fields, in the order of `cli usage --json`.
COLUMNS = (
    'id, request_id, turn_id, chat_id, trace_id, at, ended_at, first_token_ms, user_id as "user", email, l.plan, door,'
    " assistant, provider, model, kind, counted, prompt_tokens, completion_tokens, estimated,"
    " cost, currency, price_version, status"
)


class PostgresLedger:
    """The Ledger of a house."""

    def __init__(self, database: Database, prices: PriceTable) -> None:
        self._database = database
        self._prices = prices

    async def open(self, call: Call) -> None:
        await self._database.execute(
            _OPEN,
            call.request_id,
            call.turn_id,
            call.chat_id,
            call.trace_id,
            call.at,
            call.user_id,
            call.plan,
            call.door,
            call.assistant,
            call.provider,
            call.model,
            call.kind,
            int(call.counted),
            call.held_prompt,
            call.held_completion,
            call.expires_at,
            call.currency,
        )

    async def withdraw(self, request_id: str) -> bool:
        gone = await self._database.execute("delete from ledger where request_id = $1 and status = 'open'", request_id)
        return gone == 1

    async def find_open(self, user_id: str, door: str, model: str, turn_id: str | None) -> Call | None:
        row = await self._database.fetchrow(_FIND_OPEN, user_id, door, model, turn_id)
        return None if row is None else Call(**row)

    async def settle(self, settlement: Settlement, words: Words | None) -> bool:
        async def work(connection: asyncpg.Connection) -> bool:
            tag = await connection.execute(_SETTLE, *_values(settlement))
            if tag != "UPDATE 1":
                return False
            if words is not None:
                await connection.execute(
                    "insert into request_log (request_id, input, output, delete_at) values ($1, $2, $3, $4)",
                    settlement.request_id,
                    words.input,
                    words.output,
                    words.delete_at,
                )
            return True

        return await self._database.transaction(work)

    async def totals(self, user_id: str, now: datetime, when: Periods) -> Totals:
        async def work(connection: asyncpg.Connection) -> tuple[asyncpg.Record, list[asyncpg.Record]]:
            sums = await connection.fetchrow(_TOTALS, user_id, when.day_starts, when.month_starts, TASKS_PER_REQUEST)
            since = now - timedelta(seconds=TURN_TTL)
            assert sums is not None, "sums are always one row"
            return sums, await connection.fetch(_RECENT, user_id, since)

        await self._database.transaction(lambda connection: self._close_late(connection, now, user_id))
        # Both reads see one moment: a call that is settled between them would be in neither.
        sums, recent = await self._database.transaction(work, isolation="repeatable_read")
        fields: dict[str, int] = {}
        for resource in ("requests", "tokens"):
            for span, field in zip(("day", "month", "total"), when.fields(resource), strict=True):
                fields[field] = int(sums[f"{resource}_{span}"])
        fields[when.fields("tasks")[0]] = int(sums["tasks_day"])
        turns: dict[str, int] = {}
        for row in recent:
            if row["kind"] in ("turn", "tool"):
                turns[row["turn_id"]] = turns.get(row["turn_id"], 0) + 1
        return Totals(
            fields=fields,
            recent={row["request_id"]: row["at"] for row in recent if row["counted"] and row["at"] >= now - MINUTE},
            turns=turns,
            holds={
                row["request_id"]: (row["held"], row["expires_at"], bool(row["counted"]))
                for row in recent
                if row["status"] == "open"
            },
        )

    async def sweep(self, now: datetime) -> int:
        return await self._database.transaction(lambda connection: self._close_late(connection, now, ""))

    async def _close_late(self, connection: asyncpg.Connection, now: datetime, user_id: str) -> int:
        late = await connection.fetch(_LATE, now, user_id)
        for row in late:
            cost = self._prices.cost(row["model"], row["held_prompt"], row["held_completion"])
            lost = Settlement(
                row["request_id"],
                now,
                None,
                row["held_prompt"],
                row["held_completion"],
                True,
                cost,
                self._prices.version,
                "lost",
            )
            await connection.execute(_SETTLE, *_values(lost))
        return len(late)

    async def forget(self, now: datetime) -> int:
        """Delete the request log's entries that are past their retention; how many."""
        return await self._database.execute("delete from request_log where delete_at < $1", now)

    async def rows(self, user_id: str | None, since: datetime | None, limit: int) -> list[dict[str, Any]]:
        """The newest rows first, with their public names."""
        found: Sequence[asyncpg.Record] = await self._database.fetch(
            f"select {COLUMNS} from ledger l left join accounts a using (user_id)"
            " where ($1::text is null or l.user_id = $1)"
            " and ($2::timestamptz is null or at >= $2) order by id desc limit $3",
            user_id,
            since,
            limit,
        )
        return [dict(row) for row in found]


def _values(settlement: Settlement) -> tuple[Any, ...]:
    return (
        settlement.request_id,
        settlement.ended_at,
        settlement.first_token_ms,
        settlement.prompt_tokens,
        settlement.completion_tokens,
        settlement.estimated,
        settlement.cost,
        settlement.price_version,
        settlement.status,
    )
