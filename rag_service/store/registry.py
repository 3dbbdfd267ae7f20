"""The collections of those who use the store without the service: their names and what never changes of them."""

from __future__ import annotations

from psycopg_pool import AsyncConnectionPool

from rag_service.chunk import Collection, Index
from rag_service.store.chunks import Chunks
from rag_service.store.faults import StoreFault
from rag_service.store.tables import NO_WORDS

_TABLE = """create table if not exists {prefix}_collections (
    id bigint generated always as identity primary key,
    name text not null unique,
    dimension integer not null,
    language text not null,
    halfvec boolean not null
)"""


async def collection_of(
    pool: AsyncConnectionPool, prefix: str, name: str, dimension: int, language: str, halfvec: bool, index: Index
) -> Collection:
    """The collection of this name, made when it is not there; its tables are there too. Raises StoreFault when it was
    made with another dimension, language or kind of vector."""
    await Chunks(pool, prefix=prefix, halfvec=halfvec).prepare(dimension)
    async with pool.connection() as connection, connection.transaction():
        await connection.execute("select pg_advisory_xact_lock(hashtextextended('rag_service.store', 0))")
        cursor = await connection.execute("select 1 from pg_ts_config where cfgname = %s", [language])
        if language != NO_WORDS and not await cursor.fetchone():
            raise StoreFault(
                f"PostgreSQL has no text search configuration {language!r}; `simple` works for any language."
            )
        await connection.execute(_TABLE.format(prefix=prefix))
        await connection.execute(
            f"insert into {prefix}_collections (name, dimension, language, halfvec) values (%s, %s, %s, %s) "
            "on conflict (name) do nothing",
            [name, dimension, language, halfvec],
        )
        row = await (
            await connection.execute(
                f"select id, dimension, language, halfvec from {prefix}_collections where name = %s", [name]
            )
        ).fetchone()
    assert row is not None
    for what, asked, has in (
        ("dimension", dimension, row[1]),
        ("language", language or None, row[2] or None),
        ("halfvec", halfvec, row[3]),
    ):
        if asked != has:
            raise StoreFault(f"The collection {name!r} was made with {what} {has}, not {asked}.")
    return Collection(row[0], name, name, "", language, "", dimension, index)
