"""Opening rows: many calls in one durable statement, each answered for itself."""

from __future__ import annotations

from collections.abc import Sequence

import asyncpg

from maitre.billing.row import Call
from maitre.sql.postgres import Database

#: The columns of a row's opening, with their types.
_TYPES = {
    "request_id": "text",
    "turn_id": "text",
    "chat_id": "text",
    "trace_id": "text",
    "at": "timestamptz",
    "user_id": "text",
    "plan": "text",
    "door": "text",
    "assistant": "text",
    "provider": "text",
    "model": "text",
    "kind": "text",
    "counted": "smallint",
    "held_prompt": "bigint",
    "held_completion": "bigint",
    "expires_at": "timestamptz",
    "currency": "text",
    "held_cost": "bigint",
    "key_id": "text",
    "relayed": "bigint",
    "address": "text",
    "variant": "text",
}
_OPEN = f"""
insert into ledger ({", ".join(_TYPES)}, status)
select *, 'open' from unnest({", ".join(f"${n}::{kind}[]" for n, kind in enumerate(_TYPES.values(), 1))})
on conflict (request_id) do nothing
"""
_FIND_OPEN = """
select request_id, turn_id, chat_id, trace_id, at, user_id, plan, door, assistant, provider, model, kind,
       counted = 1 as counted, held_prompt, held_completion, expires_at, currency, held_cost, key_id as key,
       relayed is not null as streamed, address, variant
from ledger
where user_id = $1 and door = $2 and model = $3 and status = 'open' and ($4::text is null or turn_id = $4)
order by id limit 1
"""

#: What Postgres says of values that no row can hold.
BAD = (asyncpg.DataError, asyncpg.IntegrityConstraintViolationError)

#: A call, and what was relayed of its answer before its row was written.
Opening = tuple[Call, int]


async def open_rows(database: Database, openings: Sequence[Opening]) -> list[ValueError | None]:
    """Write the rows in one transaction; of one that cannot be written, why. Raises StoreDown for all of them."""
    try:
        await database.execute(_OPEN, *zip(*(_values(*opening) for opening in openings), strict=True))
    except BAD as fault:
        if len(openings) == 1:
            return [ValueError(f"The ledger cannot hold this call: {fault}")]
        half = len(openings) // 2
        return [*await open_rows(database, openings[:half]), *await open_rows(database, openings[half:])]
    return [None] * len(openings)


async def find_open(database: Database, user_id: str, door: str, model: str, turn_id: str | None) -> Call | None:
    """The oldest open row of the account at this door for this model, of this turn if one is named."""
    row = await database.fetchrow(_FIND_OPEN, user_id, door, model, turn_id)
    return None if row is None else Call(**row)


def _values(call: Call, relayed: int) -> tuple[object, ...]:
    return (
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
        call.held_cost,
        call.key,
        relayed if call.streamed else None,
        call.address,
        call.variant,
    )
