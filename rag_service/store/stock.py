"""Tables of `llama-index-vector-stores-postgres` (`data_<name>`): searched as they are, imported, never changed."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from typing import Any

from psycopg import sql
from psycopg_pool import AsyncConnectionPool

from rag_service.chunk import NODE, Chunk, Collection, Found
from rag_service.store.chunks import Chunks
from rag_service.store.faults import StoreFault
from rag_service.store.filters import condition
from rag_service.store.vectors import Packed, packed, unpacked

#: Rows that are read and written at a time.
BATCH = 1000

_COLUMNS = {"id", "text", "metadata_", "node_id", "embedding"}
_SHAPE = """select a.attname, format_type(a.atttypid, null), a.atttypmod from pg_attribute a
    join pg_class c on c.oid = a.attrelid join pg_namespace n on n.oid = c.relnamespace
    where n.nspname = %s and c.relname = %s and a.attnum > 0 and not a.attisdropped"""
_POSITIONS = """create table if not exists {prefix}_imports
    (source text not null, collection bigint not null, last bigint not null, primary key (source, collection))"""


@dataclass(frozen=True, slots=True)
class StockTable:
    """A table of the stock store, as `stock_table` found it."""

    pool: AsyncConnectionPool
    schema: str
    name: str
    dimension: int
    halfvec: bool

    @property
    def _table(self) -> sql.Identifier:
        return sql.Identifier(self.schema, self.name)

    async def search(self, embedding: Sequence[float], limit: int, filters: Any = None) -> list[Found]:
        """The nearest rows that the filters leave, by an exact scan; `collection` of what is found is 0. Raises
        StoreFault for an embedding of another dimension or a senseless filter."""
        where = condition(filters, "metadata_::jsonb")
        vector = Packed(packed(embedding, self.dimension, self.halfvec))
        kind = f"{'halfvec' if self.halfvec else 'vector'}({self.dimension})"
        near = f"embedding <=> %s::{kind}"
        query = sql.SQL(
            f"select id, node_id, text, metadata_, embedding, coalesce(nullif(1 - ({near}), 'nan'), -1) from {{}} "
            f"where embedding is not null and {where.sql} order by ({near}) + 0, id limit %s"
        ).format(self._table)
        async with self.pool.connection() as connection:
            cursor = connection.cursor(binary=True)
            await cursor.execute(query, [vector, *where.parameters, vector, limit])
            return [Found(0, self._chunk(row), row[5]) for row in await cursor.fetchall()]

    async def rows(self, after: int = 0) -> AsyncIterator[tuple[int, list[Chunk]]]:
        """All rows with an embedding, in batches: the last one's id, to go on after, and the chunks."""
        query = sql.SQL(
            "select id, node_id, text, metadata_, embedding from {} "
            "where id > %s and embedding is not null order by id limit %s"
        ).format(self._table)
        while True:
            async with self.pool.connection() as connection:
                cursor = connection.cursor(binary=True)
                await cursor.execute(query, [after, BATCH])
                found = await cursor.fetchall()
            if not found:
                return
            after = found[-1][0]
            yield after, [self._chunk(row) for row in found]

    async def count(self, after: int = 0) -> int:
        """How many rows with an embedding come after the one with that id."""
        query = sql.SQL("select count(*) from {} where id > %s and embedding is not null").format(self._table)
        async with self.pool.connection() as connection:
            row = await (await connection.execute(query, [after])).fetchone()
        return int(row[0]) if row else 0

    async def copy_into(self, chunks: Chunks, collection: Collection) -> AsyncIterator[int]:
        """Import the table; yields how many rows were written so far. An import that was cut off goes on where it was,
        a second one brings the rows that came since. Of rows with one node id the newest counts. Raises StoreFault when
        the collection has another dimension."""
        if collection.dimension != self.dimension:
            raise StoreFault(
                f"The table {self.name} has vectors of {self.dimension} dimensions, the collection {collection.name!r} "
                f"of {collection.dimension}."
            )
        positions = f"{chunks.prefix}_imports"
        async with self.pool.connection() as connection:
            await connection.execute(_POSITIONS.format(prefix=chunks.prefix))
            cursor = await connection.execute(
                f"select last from {positions} where source = %s and collection = %s", [self._source, collection.id]
            )
            row = await cursor.fetchone()
        written = 0
        async for last, batch in self.rows(row[0] if row else 0):
            await chunks.put(collection, batch)
            async with self.pool.connection() as connection:  # later than the rows: they may be written twice
                await connection.execute(
                    f"insert into {positions} values (%s, %s, %s) "
                    "on conflict (source, collection) do update set last = excluded.last",
                    [self._source, collection.id, last],
                )
            written += len(batch)
            yield written

    @property
    def _source(self) -> str:
        return f"{self.schema}.{self.name}"

    def _chunk(self, row: tuple[Any, ...]) -> Chunk:
        number, node_id, text, metadata, embedding = row[:5]
        metadata = metadata or {}
        document = metadata.get("ref_doc_id") or metadata.get("doc_id")
        document = "" if document in (None, "None") else str(document)
        content = metadata.pop(NODE, None)
        return Chunk(node_id or f"row-{number}", document, text, unpacked(embedding, self.halfvec), metadata, content)


async def stock_table(pool: AsyncConnectionPool, name: str, schema: str = "public") -> StockTable:
    """The table that the stock store calls `name`. Raises StoreFault when there is none, or none of its form."""
    table = f"data_{name}"
    async with pool.connection() as connection:
        columns = {row[0]: row[1:] for row in await (await connection.execute(_SHAPE, [schema, table])).fetchall()}
    if not columns:
        raise StoreFault(f"There is no table {table} in the schema {schema}.")
    if missing := sorted(_COLUMNS - columns.keys()):
        raise StoreFault(f"The table {table} is none of the stock store: it has no {', '.join(missing)}.")
    kind, dimension = columns["embedding"]
    kind = kind.rpartition(".")[2]
    if kind not in ("vector", "halfvec") or dimension < 1:
        raise StoreFault(f"The embeddings of {table} have no dimension, or are no vectors: {kind}.")
    return StockTable(pool, schema, table, dimension, kind == "halfvec")
