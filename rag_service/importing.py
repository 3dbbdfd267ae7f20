"""The story of one import: a table of the stock store becomes documents of a collection, a batch at a time."""

from __future__ import annotations

import logging
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing, asynccontextmanager
from dataclasses import dataclass

import psycopg
from psycopg.conninfo import conninfo_to_dict
from psycopg_pool import AsyncConnectionPool

from rag_service import imports, taken
from rag_service.attempts import Lost
from rag_service.chunk import Chunk
from rag_service.database import Connection, Pool
from rag_service.errors import Refused
from rag_service.imports import Import
from rag_service.ingest import DOWN, Again
from rag_service.seal_aesgcm import Seal
from rag_service.store.chunks import Chunks
from rag_service.store.faults import StoreFault
from rag_service.store.stock import stock_table

CONNECT = 10  # seconds to reach the database that the table is in
log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Importer:
    """Takes tables over."""

    pool: Pool
    chunks: Chunks
    seal: Seal

    async def run(self, number: int) -> None:
        """Work on the import until it has ended. Raises Again when Postgres is away."""
        try:
            async with self.pool.connection() as connection:
                attempt = await imports.begin(connection, number)
        except Lost:
            return
        except DOWN as down:
            raise Again(2) from down
        try:
            code, sentence = await self._taken(attempt)
            async with self.pool.connection() as connection:
                await imports.end(connection, attempt, code, sentence)
            await self.chunks.tend(attempt.collection)
        except Lost:
            return
        except DOWN as down:
            raise Again(2) from down

    async def _taken(self, attempt: Import) -> tuple[str, str]:
        """Take the rows over; what went wrong, empty when nothing did."""
        try:
            async with aclosing(self._batches(attempt)) as batches:
                async for last, chunks in batches:
                    await self._take(attempt, last, chunks)
        except (Lost, *DOWN):
            raise
        except Refused as refused:
            return refused.code, str(refused)
        except StoreFault as fault:
            return "bad_table", str(fault)
        except Exception as mistake:  # noqa: BLE001 - a sentence of the driver might hold a part of the address
            log.error("Import %s failed: %s", attempt.number, type(mistake).__name__)
            return "internal", f"Something of ours failed ({type(mistake).__name__})."
        return "", ""

    async def _batches(self, attempt: Import) -> AsyncGenerator[tuple[int, list[Chunk]]]:
        """The rows that are still to come. Raises Refused when the table cannot be read, or does not fit."""
        dsn = self.seal.open(attempt.collection.id, attempt.source, attempt.sealed)
        try:
            async with _reading(dsn) as source:
                table = await stock_table(source, attempt.source)
                if table.dimension != attempt.collection.dimension:
                    raise Refused(
                        409,
                        "mixed_models",
                        f"The embeddings of “{attempt.source}” have {table.dimension} numbers, those of"
                        f" “{attempt.collection.name}” {attempt.collection.dimension}.",
                    )
                left = await table.count(attempt.last)
                async with self.pool.connection() as connection:
                    await imports.measure(connection, attempt, left)
                async for batch in table.rows(attempt.last):
                    yield batch
        except psycopg.Error as unreadable:
            raise Refused(400, "unreadable", f"“{attempt.source}” cannot be read: {_told(unreadable, dsn)}") from None

    async def _take(self, attempt: Import, last: int, chunks: list[Chunk]) -> None:
        """Take a batch over, all of it or nothing."""
        async with self.pool.connection() as connection:
            await imports.advance(connection, attempt, last, len(chunks))
            ready = await taken.documents(connection, attempt.collection, attempt.source, chunks)
            await self.chunks.write(connection, attempt.collection, ready)
            await taken.count(connection, attempt.collection, self.chunks, {chunk.document for chunk in ready})


@asynccontextmanager
async def _reading(dsn: str) -> AsyncIterator[AsyncConnectionPool[Connection]]:
    """A pool of one connection that only reads."""
    # A pool that cannot connect says only that it is late.
    await (await psycopg.AsyncConnection.connect(dsn, connect_timeout=CONNECT)).close()

    async def only_reading(connection: Connection) -> None:
        await connection.set_read_only(True)

    pool: AsyncConnectionPool[Connection] = AsyncConnectionPool(
        dsn,
        min_size=1,
        max_size=1,
        timeout=CONNECT,
        open=False,
        configure=only_reading,
        kwargs={"connect_timeout": CONNECT},
    )
    async with pool:
        yield pool


def _told(fault: psycopg.Error, dsn: str) -> str:
    """The driver's sentence in one line, without the password."""
    said = " ".join(str(fault).split()) or type(fault).__name__
    secret = conninfo_to_dict(dsn).get("password")
    return said.replace(str(secret), "…") if secret else said
