"""Closing rows: what really happened, beats of those that live, and what was lost."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime

import asyncpg

from maitre.billing.openings_postgres import BAD
from maitre.billing.price import PriceTable
from maitre.billing.row import Settlement, Words, lost
from maitre.quota.subject import HOUSE, Subject
from maitre.sql.postgres import Database

#: Whose row it is, by scope.
WHOSE: Mapping[str, str] = {
    "account": "user_id = $1",
    "key": "key_id = $1 and key_id <> ''",  # as the index says
    "assistant": "assistant = $1 and assistant <> ''",
    "model": "model = $1",
    "provider": "provider = $1",
    "house": "$1::text = ''",
}

# Only this statement waits for rows that another one holds, and it takes them in one order; the others pass over
# them. So no two wait for each other.
_CLOSE = """
with ending as (
    select * from unnest($1::text[], $2::timestamptz[], $3::int[], $4::bigint[], $5::bigint[], $6::boolean[],
                         $7::bigint[], $8::text[], $9::text[])
        as e(request_id, ended_at, first_token_ms, prompt_tokens, completion_tokens, estimated, cost, price_version,
             status)
), live as (
    select request_id from ledger where request_id = any($1) and status in ('open', 'lost')
    order by request_id for no key update
), closed as (
    update ledger l
    set ended_at = e.ended_at, first_token_ms = e.first_token_ms, prompt_tokens = e.prompt_tokens,
        completion_tokens = e.completion_tokens, estimated = e.estimated, cost = e.cost,
        price_version = e.price_version, status = e.status
    from ending e join live using (request_id)
    where l.request_id = e.request_id and l.status in ('open', 'lost')
    returning l.request_id
), kept as (
    insert into request_log (request_id, input, output, delete_at)
    select w.* from unnest($10::text[], $11::text[], $12::text[], $13::timestamptz[])
        as w(request_id, input, output, delete_at) join closed using (request_id)
    on conflict (request_id) do nothing
)
select request_id from closed
"""
_BEAT = """
with live as (
    select l.request_id, b.relayed
    from ledger l join unnest($1::text[], $2::bigint[]) as b(request_id, relayed) using (request_id)
    where l.status = 'open' for no key update of l skip locked
)
update ledger l set relayed = greatest(l.relayed, live.relayed), expires_at = greatest(l.expires_at, $3)
from live where l.request_id = live.request_id and l.status = 'open'
"""
_LATE = """
select request_id, model, held_prompt, held_completion, relayed from ledger
where status = 'open' and expires_at < $2 and {whose} for no key update skip locked
"""
_ANY_LATE = "select 1 from ledger where status = 'open' and expires_at < $2 and {whose} limit 1"

#: How a call ended, and what was said in it.
Closing = tuple[Settlement, Words | None]


async def close_rows(database: Database, closings: Sequence[Closing]) -> list[bool | Exception]:
    """Close the rows in one transaction, each once: whether it was closed now, or why it cannot be. Raises StoreDown
    for all of them."""
    first: dict[str, Closing] = {}
    for closing in closings:
        first.setdefault(closing[0].request_id, closing)
    settlements = [_values(settlement) for settlement, _ in first.values()]
    words = [(id, said.input, said.output, said.delete_at) for id, (_, said) in first.items() if said is not None]
    try:
        found = await database.fetch(_CLOSE, *_columns(settlements, 9), *_columns(words, 4))
    except BAD as fault:
        if len(closings) == 1:
            return [ValueError(f"The ledger cannot hold this settlement: {fault}")]
        half = len(closings) // 2
        return [*await close_rows(database, closings[:half]), *await close_rows(database, closings[half:])]
    closed = {row["request_id"] for row in found}
    return [closing is first[closing[0].request_id] and closing[0].request_id in closed for closing in closings]


async def beat_rows(database: Database, relayed: Mapping[str, int | None], expires_at: datetime) -> None:
    """Let the open rows among these live until then."""
    if relayed:
        await database.execute(_BEAT, list(relayed), list(relayed.values()), expires_at)


async def close_late(database: Database, prices: PriceTable, now: datetime, whose: Subject = HOUSE) -> int:
    """Close the subject's rows whose hold expired as lost; how many."""

    async def work(connection: asyncpg.Connection) -> int:
        late = await connection.fetch(_LATE.format(whose=WHOSE[whose.scope]), whose.id, now)
        if late:
            ends = [_values(lost(prices, now, **row)) for row in late]
            await connection.fetch(_CLOSE, *_columns(ends, 9), *_columns([], 4))
        return len(late)

    return await database.transaction(work)


async def any_late(database: Database, now: datetime, whose: Subject) -> bool:
    """Whether a hold of the subject's open rows has expired."""
    return await database.fetchrow(_ANY_LATE.format(whose=WHOSE[whose.scope]), whose.id, now) is not None


def _columns(rows: Sequence[tuple[object, ...]], width: int) -> list[list[object]]:
    return [list(column) for column in zip(*rows, strict=True)] if rows else [[] for _ in range(width)]


def _values(settlement: Settlement) -> tuple[object, ...]:
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
