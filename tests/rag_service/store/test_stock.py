"""A table that the stock Postgres store of LlamaIndex made is searched as it is, and imported."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

import psycopg
import pytest
from llama_index.core.vector_stores.types import MetadataFilter, MetadataFilters, VectorStoreQuery
from llama_index.vector_stores.postgres import PGVectorStore
from psycopg_pool import AsyncConnectionPool

from rag_service.store import stock
from rag_service.store.chunks import Chunks
from rag_service.store.faults import StoreFault
from rag_service.store.filters import EVERYTHING
from rag_service.store.stock import stock_table
from rag_service.store.vector_store import PgVectorStore
from tests.rag_service.store.rows import chunk, collection, nearest, vector
from tests.rag_service.store.test_vector_store import EVEN, NODES

ONE = collection(1)


@pytest.fixture(params=[(False, False), (True, True)], ids=["vector and json", "halfvec and jsonb"])
def filled(request: pytest.FixtureRequest, database: str) -> Iterator[PGVectorStore]:
    """A table of the stock store with sixty nodes."""
    halfvec, jsonb = request.param
    store = PGVectorStore.from_params(
        connection_string=database.replace("postgresql://", "postgresql+psycopg2://"),
        async_connection_string=database.replace("postgresql://", "postgresql+asyncpg://"),
        table_name="Old",
        embed_dim=8,
        use_halfvec=halfvec,
        use_jsonb=jsonb,
    )
    store.add(list(NODES))
    yield store
    asyncio.run(store.close())


async def test_it_is_searched_without_an_import(filled: PGVectorStore, pool: AsyncConnectionPool) -> None:
    """The nearest are the nearest, and a filter leaves as many as match."""
    table = await stock_table(pool, "old")
    got = await table.search(vector("q"), 10)
    assert [one.chunk.node_id for one in got] == nearest(vector("q"), [chunk(one.node_id) for one in NODES], 10)
    even = await table.search(vector("q"), 30, EVEN)
    assert len(even) == 30
    assert {one.chunk.metadata["even"] for one in even} == {"yes"}
    evil = MetadataFilters(filters=[MetadataFilter(key="' or true --", value="x")])
    assert await table.search(vector("q"), 30, evil) == []


async def test_an_import_that_is_cut_off_goes_on(
    filled: PGVectorStore, chunks: Chunks, pool: AsyncConnectionPool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every row comes once; what is written stays; later rows come with a second import."""
    monkeypatch.setattr(stock, "BATCH", 7)
    table = await stock_table(pool, "old")
    async for written in table.copy_into(chunks, ONE):
        if written >= 20:
            break
    assert len(await chunks.matching(ONE, EVERYTHING)) == 21
    again = [written async for written in table.copy_into(chunks, ONE)]
    assert again[0] == 7
    assert again[-1] == 39
    got = await chunks.matching(ONE, EVERYTHING)
    assert {one.node_id for one in got} == {one.node_id for one in NODES}
    assert {one.document for one in got} == {"d0", "d1", "d2"}
    await asyncio.to_thread(filled.add, [NODES[0]])
    assert [written async for written in table.copy_into(chunks, ONE)] == [1]
    assert len(await chunks.matching(ONE, EVERYTHING)) == 60


async def test_nodes_are_the_same_after_the_import(filled: PGVectorStore, database: str) -> None:
    """The own store answers as the stock store does."""
    store = PgVectorStore(database, collection="new", dimension=8)
    assert await store.aimport_stock("old") == 60
    query = VectorStoreQuery(vector("q"), 7)
    ours, theirs = await store.aquery(query), await filled.aquery(query)
    assert ours.ids == theirs.ids
    assert ours.similarities == pytest.approx(theirs.similarities, abs=2e-3)
    assert ours.nodes is not None
    assert theirs.nodes is not None
    for one, other in zip(ours.nodes, theirs.nodes, strict=True):
        assert (one.get_content(), one.metadata, one.ref_doc_id) == (
            other.get_content(),
            other.metadata,
            other.ref_doc_id,
        )
    store.close()


async def test_what_is_no_such_table_is_refused(pool: AsyncConnectionPool, chunks: Chunks, database: str) -> None:
    """A missing one, one of another form, one of another dimension: a sentence each."""
    with psycopg.connect(database) as connection:
        connection.execute("create table data_foreign (id bigint)")
        fields = "id bigint, text text, node_id text, metadata_ json"
        connection.execute(f"create table data_large ({fields}, embedding vector(9))")
        connection.execute(f"create table data_bare ({fields}, embedding vector)")
    for name, words in (("none", "no table data_none"), ("foreign", "no embedding"), ("bare", "no dimension")):
        with pytest.raises(StoreFault, match=words):
            await stock_table(pool, name)
    with pytest.raises(StoreFault, match="9 dimensions"):
        async for _ in (await stock_table(pool, "large")).copy_into(chunks, ONE):
            pass
