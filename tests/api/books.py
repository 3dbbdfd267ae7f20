"""The whole house's ledger beside the upstream's own log."""

from __future__ import annotations

import asyncio
from typing import Any

import asyncpg

from tests.engine.hall import Hall
from tests.upstream import ScriptedUpstream


def unmetered(hall: Hall, upstream: ScriptedUpstream) -> set[str | None]:
    """Upstream calls without a row."""
    rows = hall.ask(lambda books: books.usage(None, None, 1_000_000))
    return {call.request_id for call in upstream.calls} - {row["request_id"] for row in rows}


def uncalled(hall: Hall, upstream: ScriptedUpstream) -> set[str]:
    """Settled rows without an upstream call."""
    rows = hall.ask(lambda books: books.usage(None, None, 1_000_000))
    called = {call.request_id for call in upstream.calls}
    return {row["request_id"] for row in rows if row["status"] != "open"} - called


def opened(hall: Hall) -> int:
    """Rows that are not settled."""
    return sum(row["status"] == "open" for row in hall.ask(lambda books: books.usage(None, None, 1_000_000)))


def every_row(hall: Hall) -> list[dict[str, Any]]:
    """The ledger as it is in the database, in the order in which rows were written."""

    async def read() -> list[dict[str, Any]]:
        connection = await asyncpg.connect(hall.parts["postgres"].url)
        try:
            return [dict(row) for row in await connection.fetch("select * from ledger order by id")]
        finally:
            await connection.close()

    return asyncio.run(read())
