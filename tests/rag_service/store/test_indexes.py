"""Large collections have an index of their own, and no search loses rows by it."""

from __future__ import annotations

import asyncio

import psycopg
import pytest
from llama_index.core.vector_stores.types import FilterOperator, MetadataFilter, MetadataFilters
from psycopg_pool import AsyncConnectionPool

from rag_service.chunk import Chunk, Collection, Index, Search
from rag_service.store.chunks import Chunks
from rag_service.store.filters import Condition
from rag_service.store.plan import EXACT
from tests.rag_service.store.rows import chunk, collection, nearest, vector
from tests.rag_service.store.test_chunks import found

SIZE = EXACT + 600


def many(tenants: int = 100) -> list[Chunk]:
    """More than are sorted, of a hundred tenants."""
    return [
        Chunk(f"n{number}", f"d{number % 50}", "", vector(number), {"tenant": number % tenants, "even": number % 2})
        for number in range(SIZE)
    ]


ROWS = many()


def below(key: str, value: int) -> MetadataFilters:
    """A filter that leaves a share of the rows."""
    return MetadataFilters(filters=[MetadataFilter(key=key, value=value, operator=FilterOperator.LT)])


def indexes(url: str) -> dict[str, bool]:
    """The vector indexes there are, and whether they are whole."""
    with psycopg.connect(url) as connection:
        rows = connection.execute(
            "select c.relname, i.indisvalid from pg_index i join pg_class c on c.oid = i.indexrelid "
            "join pg_am a on a.oid = c.relam where a.amname in ('hnsw', 'ivfflat')"
        )
        return dict(rows.fetchall())


async def scans(pool: AsyncConnectionPool, name: str) -> int:
    """How often an index was used."""
    async with pool.connection() as connection:
        await connection.execute("select pg_stat_force_next_flush()")
        await connection.commit()
        row = await (
            await connection.execute("select idx_scan from pg_stat_user_indexes where indexrelname = %s", [name])
        ).fetchone()
        return int(row[0]) if row else 0


@pytest.fixture(params=["hnsw", "ivfflat"])
async def large(request: pytest.FixtureRequest, chunks: Chunks) -> tuple[Chunks, Collection]:
    """A store with one large collection, with an index of its own, beside a small one."""
    kind: Index = request.param
    one = collection(1, index=kind)
    await chunks.put(one, ROWS)
    await chunks.put(collection(2), [chunk(f"s{number}") for number in range(20)])
    await chunks.tend(one)
    return chunks, one


@pytest.mark.parametrize("limit", [1, 10, 300])
async def test_as_many_come_as_match(large: tuple[Chunks, Collection], database: str, limit: int) -> None:
    """By the index alone, with a filter that leaves half, one in a hundred, few or none, and with a small collection
    beside: as many as match, and of the nearest nearly all."""
    chunks, one = large
    assert indexes(database) == {f"chunks_8_c1_{one.index}": True}
    question = vector("q")
    for filters, rows in (
        (None, ROWS),
        (below("even", 1), [row for row in ROWS if row.metadata["even"] < 1]),
        (below("tenant", 97), [row for row in ROWS if row.metadata["tenant"] < 97]),
        (below("tenant", 1), [row for row in ROWS if row.metadata["tenant"] < 1]),
        (below("tenant", 0), []),
    ):
        got = await found(chunks, one, embedding=question, mode="dense", limit=limit, filters=filters)
        best = nearest(question, rows, limit)
        assert len(got) == len(best) == len(set(got))
        assert len(set(got) & set(best)) >= 0.9 * len(best), filters
    both = await found(chunks, one, collection(2), embedding=question, mode="dense", limit=limit)
    assert len(both) == limit


async def test_the_index_is_used(large: tuple[Chunks, Collection], database: str) -> None:
    """By the searches themselves, not only by a statement like theirs; and by none that a filter leaves little of."""
    _, one = large
    name = f"chunks_8_c1_{one.index}"
    async with AsyncConnectionPool(database, min_size=1, max_size=1, open=False) as pool:
        await used_by(Chunks(pool), pool, one, name)


async def used_by(chunks: Chunks, pool: AsyncConnectionPool, one: Collection, name: str) -> None:
    """Compare what the server counts before and after some searches on one connection."""
    for filters, used in ((None, True), (below("tenant", 99), True), (below("tenant", 2), False)):
        before = await scans(pool, name)
        for _ in range(12):  # more often than until a statement is prepared
            await found(chunks, one, embedding=vector("q"), mode="dense", limit=5, filters=filters)
        assert (await scans(pool, name) - before > 0) is used, filters


async def test_a_vector_that_no_index_holds_is_found(large: tuple[Chunks, Collection]) -> None:
    """A vector of zeros has no direction; it comes last, but it comes."""
    chunks, one = large
    await chunks.remove(one, Condition("document <> 'd1'"))
    await chunks.put(one, [chunk("zero", embedding=[0.0] * 8)])
    got = await found(chunks, one, embedding=vector("q"), mode="dense", limit=1000)
    assert len(got) == SIZE // 50 + 1
    assert got[-1] == "zero"


async def test_an_index_goes_when_its_collection_shrinks_or_changes(chunks: Chunks, database: str) -> None:
    """Several that tend at once build one; another kind replaces it; exact and small ones have none."""
    one = collection(1)
    await chunks.put(one, ROWS[:100])
    await chunks.tend(one)
    assert indexes(database) == {}
    await chunks.put(one, ROWS)
    await asyncio.gather(*(chunks.tend(one) for _ in range(3)))
    assert indexes(database) == {"chunks_8_c1_hnsw": True}
    await chunks.tend(collection(1, index="ivfflat"))
    assert indexes(database) == {"chunks_8_c1_ivfflat": True}
    await chunks.tend(collection(1, index="exact"))
    assert indexes(database) == {}
    await chunks.tend(one)
    await chunks.remove(one, Condition("document <> 'd1'"))
    await chunks.tend(one)
    assert indexes(database) == {}


async def test_an_index_that_a_crash_left_half_is_built_again(chunks: Chunks, database: str) -> None:
    """Until then it is not relied on."""
    one = collection(1)
    await chunks.put(one, ROWS)
    with psycopg.connect(database, autocommit=True) as connection:
        connection.execute("set statement_timeout = '100ms'")
        with pytest.raises(psycopg.errors.QueryCanceled):
            connection.execute(chunks.table(8).build(1, "hnsw", SIZE))
    assert indexes(database) == {"chunks_8_c1_hnsw": False}
    assert len(await found(chunks, one, embedding=vector("q"), mode="dense", limit=10)) == 10
    await chunks.tend(one)
    assert indexes(database) == {"chunks_8_c1_hnsw": True}


async def test_a_search_sees_one_moment_of_an_indexed_collection(
    large: tuple[Chunks, Collection], pool: AsyncConnectionPool
) -> None:
    """Publishing a document again and again never empties or doubles it, also through the index."""
    chunks, one = large
    best = vector("q")
    done = asyncio.Event()

    async def publish() -> None:
        for version in range(1, 15):
            await chunks.stage(one, "doc", version, [chunk(f"v{version}", document="doc", embedding=best)])
            async with pool.connection() as connection:
                await chunks.publish(connection, one, "doc", version)
        done.set()

    async def read() -> None:
        while not done.is_set():
            search = Search([1], embedding=best, mode="dense", limit=5)
            got = [row.chunk.node_id for row in await chunks.search([one], search)]
            assert [name[0] for name in got].count("v") == 1
            assert len(got) == 5

    await chunks.put(one, [chunk("v0", document="doc", embedding=best)])
    await asyncio.gather(publish(), read(), read())
