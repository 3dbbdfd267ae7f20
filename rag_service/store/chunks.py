"""The chunks of all collections in PostgreSQL: staged, published, searched."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from psycopg_pool import AsyncConnectionPool

from rag_service.chunk import Chunk, Collection, Found, Search
from rag_service.store.asking import Asking, ask_async, autocommitting
from rag_service.store.filters import EVERYTHING, Condition
from rag_service.store.indexes import Connection, Indexes, settle
from rag_service.store.searching import found_in
from rag_service.store.tables import NO_WORDS, Table, check_pgvector
from rag_service.store.vectors import packed, unpacked
from rag_service.store.words import tokens

#: So many rows at once are much.
_MUCH = 500

_COLUMNS = "collection, document, version, node_id, text, metadata, tokens, embedding, node"
#: What is binary already is sent as it is.
_TYPES = ["int8", "text", "int4", "text", "text", "bytea", "text[]", "bytea", "text"]


class Chunks:
    """The store beneath the service and the LlamaIndex class. One for a process: the pool is its caller's."""

    def __init__(self, pool: AsyncConnectionPool, *, prefix: str = "chunks", halfvec: bool = True) -> None:
        self.pool, self.prefix, self._halfvec = pool, prefix, halfvec
        self._indexes = Indexes(pool)

    def table(self, dimension: int) -> Table:
        """The table of vectors of this dimension."""
        return Table(self.prefix, dimension, self._halfvec)

    async def prepare(self, dimension: int) -> None:
        """Make the tables of a dimension, unless they are there; several processes may do it at once. Raises StoreFault
        when pgvector is older than 0.8."""
        table = self.table(dimension)
        async with self.pool.connection() as connection, connection.transaction():
            await connection.execute("select pg_advisory_xact_lock(hashtextextended('rag_service.store', 0))")
            for extension in ("vector", "pg_trgm"):
                await connection.execute(f"create extension if not exists {extension}")
            row = await (
                await connection.execute("select extversion from pg_extension where extname = 'vector'")
            ).fetchone()
            check_pgvector(row[0] if row else None)
            for statement in table.create:
                await connection.execute(statement)

    async def stage(self, collection: Collection, document: str, version: int, chunks: Sequence[Chunk]) -> None:
        """Keep chunks of a coming version. They are durable when this returns, and no search sees them; chunks that
        are staged already are replaced. Raises StoreFault for a vector of another dimension."""
        table = self.table(collection.dimension)
        rows = _rows(table, collection, chunks, version, document)
        async with self.pool.connection() as connection, connection.transaction():
            await connection.execute(
                "select pg_advisory_xact_lock(hashtextextended(%s, %s))", [document, collection.id]
            )
            await connection.execute(
                f"delete from {table.staged} where collection = %s and document = %s and version = %s "
                "and node_id = any(%s)",
                [collection.id, document, version, [row[3] for row in rows]],
            )
            await _copy(connection, table.staged, rows)

    async def staged(self, collection: Collection, document: str, version: int) -> set[str]:
        """The node ids of a coming version that are kept already."""
        async with self.pool.connection() as connection:
            cursor = await connection.execute(
                f"select node_id from {self.table(collection.dimension).staged} "
                "where collection = %s and document = %s and version = %s",
                [collection.id, document, version],
            )
            return {row[0] for row in await cursor.fetchall()}

    async def publish(self, connection: Connection, collection: Collection, document: str, version: int) -> int:
        """Let the staged version answer in place of all others, when the caller's transaction commits; how many chunks
        it has. A search sees either the old version or the new one."""
        table = self.table(collection.dimension)
        await self._delete(connection, table.name, collection, document)
        sql, values = table.insert(table.staged, collection.language)
        cursor = await connection.execute(
            sql + " where collection = %s and document = %s and version = %s",
            [*values, collection.id, document, version],
        )
        await self._delete(connection, table.staged, collection, document)
        return cursor.rowcount

    async def put(self, collection: Collection, chunks: Iterable[Chunk]) -> None:
        """Write chunks that answer at once; one with a node id that the collection has replaces it."""
        async with self.pool.connection() as connection, connection.transaction():
            written = await self.write(connection, collection, chunks)
        await self.settle(collection, written)

    async def settle(self, collection: Collection, written: int) -> None:
        """After so many chunks were written: if they are much, what searches need until the next `tend`."""
        if written >= _MUCH:
            async with self.pool.connection() as connection:
                await settle(connection, self.table(collection.dimension), written)

    async def write(self, connection: Connection, collection: Collection, chunks: Iterable[Chunk]) -> int:
        """The same within the caller's transaction, once; how many they are."""
        table = self.table(collection.dimension)
        rows = _rows(table, collection, chunks)
        incoming = f"{table.name}_incoming"
        await connection.execute(
            f"create temporary table if not exists {incoming} (like {table.staged}) on commit delete rows"
        )
        await _copy(connection, incoming, rows)
        sql, values = table.insert(incoming, collection.language)
        await connection.execute(
            sql + " order by node_id on conflict (collection, node_id) do update set "
            "document = excluded.document, text = excluded.text, metadata = excluded.metadata, "
            "embedding = excluded.embedding, words = excluded.words, fuzzy = excluded.fuzzy, node = excluded.node",
            values,
        )
        return len(rows)

    async def discard(self, connection: Connection, collection: Collection, document: str) -> None:
        """Forget what is staged of a document; what answers stays."""
        await self._delete(connection, self.table(collection.dimension).staged, collection, document)

    async def drop(self, connection: Connection, collection: Collection, document: str) -> None:
        """Forget a document, staged or not."""
        for name in (self.table(collection.dimension).name, self.table(collection.dimension).staged):
            await self._delete(connection, name, collection, document)

    async def drop_collection(self, connection: Connection, collection: Collection) -> None:
        """Forget a collection's chunks. Its own index goes with the next `tend`, which needs no lock for it."""
        for name in (self.table(collection.dimension).name, self.table(collection.dimension).staged):
            await connection.execute(f"delete from {name} where collection = %s", [collection.id])

    async def _delete(self, connection: Connection, name: str, collection: Collection, document: str) -> None:
        await connection.execute(
            f"delete from {name} where collection = %s and document = %s", [collection.id, document]
        )

    async def remove(self, collection: Collection, where: Condition) -> None:
        """Forget the chunks that a condition leaves, whatever their document."""
        async with self.pool.connection() as connection:
            await connection.execute(
                f"delete from {self.table(collection.dimension).name} where collection = %s and {where.sql}",
                [collection.id, *where.parameters],
            )

    async def matching(self, collection: Collection, where: Condition) -> list[Chunk]:
        """The chunks that a condition leaves, with their embeddings, by node id."""
        async with self.pool.connection() as connection:
            cursor = connection.cursor(binary=True)
            await cursor.execute(
                "select node_id, document, text, embedding, metadata, node "
                f"from {self.table(collection.dimension).name} where collection = %s and {where.sql} order by node_id",
                [collection.id, *where.parameters],
            )
            return [
                Chunk(name, document, text, unpacked(embedding, self._halfvec), metadata, node)
                for name, document, text, embedding, metadata, node in await cursor.fetchall()
            ]

    async def search(
        self,
        collections: Sequence[Collection],
        search: Search,
        also: Condition = EVERYTHING,
        weights: tuple[float, float] = (1, 1),
    ) -> list[Found]:
        """The chunks that answer best, best first, as of one moment. Only collections that are among the search's ids
        and given here are looked at; they are of one dimension. Raises StoreFault, also for a senseless filter.
        `weights`: what places by meaning and by words count in a hybrid search."""
        async with autocommitting(self.pool) as connection:
            return await ask_async(connection, self.searching(collections, search, also, weights))

    def searching(
        self, collections: Sequence[Collection], search: Search, also: Condition, weights: tuple[float, float]
    ) -> Asking[list[Found]]:
        """A search as its statements, for a connection in autocommit."""
        return found_in(self._indexes, self.table, collections, search, also, weights)

    async def tend(self, collection: Collection) -> None:
        """Give a collection that has grown large an index of its own, or drop that of one that has shrunk. It takes
        seconds for each ten thousand chunks; reads and writes go on."""
        await self._indexes.tend(self.table(collection.dimension), collection)


def _rows(
    table: Table, collection: Collection, chunks: Iterable[Chunk], version: int = 0, document: str | None = None
) -> list[tuple[Any, ...]]:
    """One row for each node id, the last one given; text without the one character that PostgreSQL has not."""
    found: dict[str, tuple[Any, ...]] = {}
    literal = collection.language != NO_WORDS
    for chunk in chunks:
        text = chunk.text.replace("\0", "")
        metadata = json.dumps(dict(chunk.metadata), ensure_ascii=False, allow_nan=False)
        if "\\u0000" in metadata:
            metadata = json.dumps(_storable(dict(chunk.metadata)), ensure_ascii=False)
        jsonb = b"\x01" + metadata.encode()  # its binary form: a version, then the text
        where = chunk.document if document is None else document
        vector = packed(chunk.embedding, table.dimension, table.halfvec)
        node = chunk.node.replace("\0", "") if chunk.node is not None else None
        exact = tokens(text) if literal else []
        found[chunk.node_id] = (collection.id, where, version, chunk.node_id, text, jsonb, exact, vector, node)
    return list(found.values())


def _storable(value: Any) -> Any:
    """The same without the character that PostgreSQL has not."""
    if isinstance(value, str):
        return value.replace("\0", "")
    if isinstance(value, Mapping):
        return {_storable(key): _storable(one) for key, one in value.items()}
    return [_storable(one) for one in value] if isinstance(value, list | tuple) else value


async def _copy(connection: Connection, name: str, rows: Sequence[tuple[Any, ...]]) -> None:
    cursor = connection.cursor()
    async with cursor.copy(f"copy {name} ({_COLUMNS}) from stdin (format binary)") as copy:
        copy.set_types(_TYPES)
        for row in rows:
            await copy.write_row(row)
