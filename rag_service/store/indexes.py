"""The collections' own indexes: built and dropped while reads and writes go on."""

from __future__ import annotations

import time
from typing import Any

from psycopg import AsyncConnection
from psycopg_pool import AsyncConnectionPool

from rag_service.chunk import Collection
from rag_service.store.asking import Asking, Statement, ask_async, autocommitting
from rag_service.store.plan import Indexed, wanted
from rag_service.store.tables import Table

Connection = AsyncConnection[Any]

#: Seconds for which the catalogue's answer is good. An old answer is slower at worst, never wrong.
GOOD_FOR = 5.0

#: A build in less memory than the graph needs takes many times as long (pgvector's documentation).
BUILD_MEMORY = "512MB"

#: The part of a table's rows that is new when the planner is told. In a long load it is told at every doubling.
AFTER_WRITING, AFTER_TENDING = 0.5, 0.1


class Indexes:
    """Which collections have an index of their own, and how they get it. One for a process."""

    def __init__(self, pool: AsyncConnectionPool) -> None:
        self._pool = pool
        self._known: dict[str, tuple[float, dict[int, Indexed]]] = {}

    def of(self, table: Table) -> Asking[dict[int, Indexed]]:
        """The whole indexes of a table, by collection; the answer may be a few seconds old."""
        known = self._known.get(table.name)
        if known and time.monotonic() - known[0] < GOOD_FOR:
            return known[1]
        rows = yield from _catalogue(table)
        found = {collection: index for collection, (index, whole) in rows.items() if whole}
        self._known[table.name] = (time.monotonic(), found)
        return found

    async def tend(self, table: Table, collection: Collection) -> None:
        """Build the collection's index, or drop it, as its size asks for. One process does it at a time; another that
        comes meanwhile does nothing."""
        async with autocommitting(self._pool) as connection:  # `concurrently` works in no transaction
            try:
                if await self._locked(connection, table, collection):
                    await self._change(connection, table, collection)
                    await settle(connection, table, part=AFTER_TENDING)
            finally:
                await connection.execute("select pg_advisory_unlock_all()")
        self._known.pop(table.name, None)

    async def _locked(self, connection: Connection, table: Table, collection: Collection) -> bool:
        # Not waited for: whoever waits has a snapshot, which the other's build would wait for.
        name = table.index(collection.id, "hnsw")
        cursor = await connection.execute("select pg_try_advisory_lock(hashtextextended(%s, 5))", [name])
        row = await cursor.fetchone()
        return bool(row and row[0])

    async def _change(self, connection: Connection, table: Table, collection: Collection) -> None:
        has = (await ask_async(connection, _catalogue(table))).get(collection.id)
        cursor = await connection.execute(f"select count(*) from {table.name} where collection = %s", [collection.id])
        rows = (await cursor.fetchone() or [0])[0]
        right = has is not None and has[1] and has[0].kind == collection.index
        want = wanted(collection.index, rows, table.indexable, right)
        if has is not None and not (want and right):  # of another kind, too small, or left half by a crash
            await connection.execute(f"drop index concurrently if exists {table.index(collection.id, has[0].kind)}")
        if want and not right:
            await connection.execute(f"set maintenance_work_mem = '{BUILD_MEMORY}'")
            await connection.execute(table.build(collection.id, collection.index, rows))
            await connection.execute("reset maintenance_work_mem")


def _catalogue(table: Table) -> Asking[dict[int, tuple[Indexed, bool]]]:
    rows = yield Statement(
        "select c.relname, i.indisvalid, c.reltuples::bigint from pg_index i "
        "join pg_class c on c.oid = i.indexrelid where i.indrelid = to_regclass(%s)",
        [table.name],
    )
    found = {}
    for name, whole, tuples in rows:
        if parts := table.index_of(name):
            found[parts[0]] = (Indexed(parts[1], max(tuples, 0)), whole)
    return found


async def settle(connection: Connection, table: Table, written: int = 0, part: float = AFTER_WRITING) -> None:
    """Empty the lists of what waits to be sorted into the indexes of words and metadata. When more than this part of
    the rows is new, tell the planner what the table is like now: it would read whole collections for a word until the
    server does so by itself, a minute later. `written`: rows that the server may not have counted yet."""
    await connection.execute(f"set maintenance_work_mem = '{BUILD_MEMORY}'")
    for name in ("words", "metadata", "fuzzy"):
        await connection.execute("select gin_clean_pending_list(to_regclass(%s))", [f"{table.name}_{name}"])
    await connection.execute("reset maintenance_work_mem")
    cursor = await connection.execute(
        "select greatest(n_mod_since_analyze, %s) > 500 + greatest(reltuples, 0) * %s::float8 "
        "from pg_stat_user_tables join pg_class on oid = relid where relid = to_regclass(%s)",
        [written, part, table.name],
    )
    row = await cursor.fetchone()
    if row and row[0]:
        await connection.execute(f"analyze {table.name}")
