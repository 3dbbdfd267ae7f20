"""Versions are staged, published and dropped; searches find by meaning and by words."""

from __future__ import annotations

import asyncio

import psycopg
import pytest
from psycopg_pool import AsyncConnectionPool

from rag_service.chunk import Collection, Mode, Search
from rag_service.store.chunks import Chunks
from rag_service.store.faults import StoreFault
from rag_service.store.filters import Condition
from tests.rag_service.store.rows import chunk, collection, nearest, vector

ONE = collection(1)


async def found(chunks: Chunks, *collections: Collection, **search: object) -> list[str]:
    """The node ids that a search finds."""
    wish = Search([one.id for one in collections], **search)  # type: ignore[arg-type]
    return [one.chunk.node_id for one in await chunks.search(collections, wish)]


async def all_of(chunks: Chunks, *collections: Collection) -> set[str]:
    """The node ids that any search may find."""
    return set(await found(chunks, *collections, embedding=vector("q"), mode="dense", limit=500))


async def test_several_processes_prepare_at_once(pool: AsyncConnectionPool) -> None:
    """Whoever starts, starts."""
    await asyncio.gather(*(Chunks(pool).prepare(dimension) for dimension in (8, 8, 16, 8, 16)))


async def test_staged_chunks_are_kept_but_not_found(chunks: Chunks, pool: AsyncConnectionPool) -> None:
    """A version answers only when it is published, and then whole."""
    await chunks.stage(ONE, "d1", 1, [chunk("a"), chunk("b")])
    await chunks.stage(ONE, "d1", 1, [chunk("b"), chunk("c")])
    assert await chunks.staged(ONE, "d1", 1) == {"a", "b", "c"}
    assert await all_of(chunks, ONE) == set()
    async with pool.connection() as connection:
        assert await chunks.publish(connection, ONE, "d1", 1) == 3
        assert await all_of(chunks, ONE) == set()
    assert await all_of(chunks, ONE) == {"a", "b", "c"}
    assert await chunks.staged(ONE, "d1", 1) == set()


async def test_a_new_version_replaces_the_old(chunks: Chunks, pool: AsyncConnectionPool) -> None:
    """Nothing of the old version is left, nothing of another document goes; node ids may be used again."""
    await chunks.put(ONE, [chunk("x", document="d2")])
    for version, names in ((1, "abc"), (2, "bd")):
        await chunks.stage(ONE, "d1", version, [chunk(name) for name in names])
        async with pool.connection() as connection:
            await chunks.publish(connection, ONE, "d1", version)
    assert await all_of(chunks, ONE) == {"b", "d", "x"}


async def test_what_is_discarded_or_dropped_is_gone(chunks: Chunks, pool: AsyncConnectionPool) -> None:
    """Discarding forgets what is staged, dropping all of a document, and of a collection."""
    two = collection(2)
    await chunks.put(ONE, [chunk("a"), chunk("b", document="d2")])
    await chunks.put(two, [chunk("a")])
    await chunks.stage(ONE, "d1", 2, [chunk("c")])
    async with pool.connection() as connection:
        await chunks.discard(connection, ONE, "d1")
    assert await chunks.staged(ONE, "d1", 2) == set()
    async with pool.connection() as connection:
        await chunks.drop(connection, ONE, "d1")
    assert await all_of(chunks, ONE) == {"b"}
    async with pool.connection() as connection:
        await chunks.drop_collection(connection, ONE)
    assert await all_of(chunks, ONE, two) == {"a"}


async def test_dense_search_is_exact(chunks: Chunks) -> None:
    """In small collections, also several at once, the nearest are the nearest."""
    rows = [chunk(f"n{number}") for number in range(200)]
    await chunks.put(ONE, rows[:100])
    await chunks.put(collection(2), rows[100:])
    await chunks.put(collection(3), [chunk("far", embedding=vector("q"))])
    question = vector("q")
    got = await found(chunks, ONE, collection(2), embedding=question, mode="dense", limit=10)
    assert got == nearest(question, rows, 10)


@pytest.mark.parametrize(
    ("language", "text", "question"),
    [
        ("english", "Refunds are paid within ten days.", "Tell me please, when will they pay back a refunded order?"),
        ("english", "Restart the pump when PG-5031 is shown.", "what means PG-5031"),
        ("english", "Restart the pump when PG-5031 is shown.", "error pg5031"),
        ("russian", "Возврат денег занимает десять дней.", "Сколько дней занимает возврат?"),
        ("simple", "Рахунок треба оплатити до кінця місяця.", "До якого числа платити рахунки?"),
        ("simple", "Зверніться до бухгалтерії університету.", "де знайти бухалтерію"),
        ("simple", "Стаття 12.4 про відпустки.", "що каже 12.4"),
        ("english", "O'Brien's \\ backslash & (tests) | ! :*", "O'Brien \\ & | ! :* <-> ()"),
    ],
)
async def test_a_question_finds_its_words(chunks: Chunks, language: str, text: str, question: str) -> None:
    """Long questions, codes, endings and slips of the pen find the text among others."""
    one = collection(1, language)
    await chunks.put(
        one, [chunk("it", text), *(chunk(f"n{n}", f"Something else, number {n}: Щось інше.") for n in range(9))]
    )
    assert (await found(chunks, one, text=question, mode="text", limit=3))[0] == "it"


async def test_hybrid_finds_what_either_leg_finds(chunks: Chunks) -> None:
    """The nearest by meaning and the one with the exact code are both among the first."""
    rows = [chunk(f"n{number}", f"Passage {number}.") for number in range(100)]
    question = vector("q")
    far = chunk("code", "See AB-1234.", embedding=[-x for x in question])
    await chunks.put(ONE, [*rows, far])
    got = await found(chunks, ONE, embedding=question, text="AB-1234", limit=3)
    assert "code" in got[:2]
    assert nearest(question, rows, 1)[0] in got[:2]


async def test_mmr_leaves_out_what_says_the_same(chunks: Chunks) -> None:
    """Of ten equal passages one is chosen before a differing one."""
    question = [1.0, 0, 0, 0, 0, 0, 0, 0]
    same = [chunk(f"s{n}", embedding=[1, 0.1, 0, 0, 0, 0, 0, 0]) for n in range(10)]
    other = chunk("o", embedding=[0.8, -0.6, 0, 0, 0, 0, 0, 0])
    await chunks.put(ONE, [*same, other])
    got = await found(chunks, ONE, embedding=question, mode="dense", limit=2, mmr=0.5)
    assert got[1] == "o"


@pytest.mark.parametrize("embedding", [[1.0] * 7, [1.0] * 9, [float("nan")] * 8, [1e9] * 8])
async def test_a_wrong_vector_is_refused(chunks: Chunks, embedding: list[float]) -> None:
    """Another dimension, no number, or one too large: one sentence, and nothing is written."""
    with pytest.raises(StoreFault):
        await chunks.put(ONE, [chunk("a"), chunk("b", embedding=embedding)])
    with pytest.raises(StoreFault):
        await found(chunks, ONE, embedding=embedding, mode="dense")
    assert await all_of(chunks, ONE) == set()


async def test_readers_see_the_old_or_the_new_version(chunks: Chunks, pool: AsyncConnectionPool) -> None:
    """While versions are published, every search by both legs finds one whole version, never two and never none."""
    done = asyncio.Event()

    async def publish() -> None:
        for version in range(1, 30):
            await chunks.stage(ONE, "d1", version, [chunk(f"v{version}-{n}", f"word {n}") for n in range(5)])
            async with pool.connection() as connection:
                await chunks.publish(connection, ONE, "d1", version)
        done.set()

    async def read() -> int:
        seen = 0
        while not done.is_set():
            got = await found(chunks, ONE, embedding=vector("q"), text="word", limit=50)
            assert len(got) == 5
            assert len({name.partition("-")[0] for name in got}) == 1
            seen += 1
        return seen

    await chunks.put(ONE, [chunk(f"v0-{n}", f"word {n}") for n in range(5)])
    results = await asyncio.gather(publish(), read(), read(), read())
    assert all(results[1:])


@pytest.mark.parametrize("autocommit", [False, True])
@pytest.mark.parametrize("mode", ["dense", "hybrid"])
async def test_a_search_that_fails_leaves_its_connection_whole(database: str, mode: Mode, autocommit: bool) -> None:
    """Whatever it had begun on the connection: the next one, and the next transaction, are as ever."""
    options = {"autocommit": autocommit}
    async with AsyncConnectionPool(database, min_size=1, max_size=1, open=False, kwargs=options) as pool:
        chunks = Chunks(pool)
        await chunks.prepare(8)
        await chunks.put(ONE, [chunk("a")])
        asked = Search((1,), embedding=vector("a"), text="text", mode=mode)
        with pytest.raises(psycopg.errors.DivisionByZero):
            await chunks.search([ONE], asked, Condition("1 / (collection - 1) = 1"))
        assert [one.chunk.node_id for one in await chunks.search([ONE], asked)] == ["a"]
        async with pool.connection() as connection:
            assert connection.autocommit is autocommit


async def test_the_planner_is_told_of_a_load(chunks: Chunks, pool: AsyncConnectionPool) -> None:
    """At once, and of what helps it: not of vectors and texts."""
    await chunks.put(ONE, [chunk(f"n{number}", text=f"word {number}") for number in range(600)])
    async with pool.connection() as connection:
        cursor = await connection.execute("select attname from pg_stats where tablename = 'chunks_8'")
        known = {row[0] for row in await cursor.fetchall()}
    assert {"collection", "document", "words"} <= known
    assert not {"embedding", "text"} & known


@pytest.mark.parametrize(("dimension", "halfvec"), [(384, True), (768, False), (1536, True), (3072, True)])
async def test_what_filters_look_at_stays_in_its_row(pool: AsyncConnectionPool, dimension: int, halfvec: bool) -> None:
    """Beside a vector of any size; what is long goes elsewhere."""
    chunks, one = Chunks(pool, halfvec=halfvec), collection(1, dimension=dimension)
    await chunks.prepare(dimension)
    said = {"title": "Refunds", "tenant": "north"}
    long = " ".join(f"word{number}" for number in range(900))
    await chunks.put(one, [chunk(f"n{n}", text=long, embedding=vector(n, dimension), **said) for n in range(9)])
    async with pool.connection() as connection:
        cursor = await connection.execute(
            "select count(pg_column_toast_chunk_id(metadata)), count(pg_column_toast_chunk_id(node_id)), "
            "count(pg_column_toast_chunk_id(embedding)), count(pg_column_toast_chunk_id(words)) "
            f"from {chunks.table(dimension).name}"
        )
        assert await cursor.fetchone() == (0, 0, 0, 9)
