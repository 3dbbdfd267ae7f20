"""A search from its question to its chunks: both legs in one snapshot, fusion, differing."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from typing import Any

import psycopg
from psycopg import AsyncConnection

from rag_service.chunk import Chunk, Collection, Found, Search
from rag_service.store.faults import StoreFault
from rag_service.store.filters import Condition, condition, joined
from rag_service.store.fusion import fused, trust
from rag_service.store.indexes import Indexes
from rag_service.store.legs import Legs, Row
from rag_service.store.mmr import differing
from rag_service.store.plan import Step, alone
from rag_service.store.tables import Table
from rag_service.store.vectors import packed, unpacked
from rag_service.store.words import tokens

#: Each leg brings more than is asked for, so that what both know rises.
TIMES, LEAST = 4, 40


async def found_in(
    connection: AsyncConnection[Any],
    indexes: Indexes,
    table_of: Callable[[int], Table],
    collections: Sequence[Collection],
    search: Search,
    also: Condition,
    weights: tuple[float, float],
) -> list[Found]:
    """What `Chunks.search` promises."""
    asked = [one for one in collections if one.id in set(search.collections)]
    if not asked or search.limit < 1:
        return []
    if len({one.dimension for one in asked}) > 1:
        raise StoreFault("Collections of different embedding models cannot be searched at once.")
    table = table_of(asked[0].dimension)
    where = joined("and", [condition(search.filters), also])
    legs = Legs(connection, table, where, embeddings=search.mmr is not None)
    wide = max(search.limit * TIMES, LEAST) if search.mode == "hybrid" or search.mmr is not None else search.limit
    await connection.set_autocommit(True)  # what one statement answers needs no transaction
    try:
        if search.mode == "dense" and (rows := await _few(legs, asked, search, indexes, wide)) is not None:
            return _chosen([rows], search, weights, table.halfvec)
        todo = []
        if search.mode != "text":
            todo = await legs.steps([one.id for one in asked], await indexes.of(connection, table), wide)
        async with _one_moment(connection, needed=search.mode != "dense" or not alone(todo)):
            lists = await _lists(legs, todo, asked, search, wide)
    finally:
        await connection.set_autocommit(False)
    return _chosen(lists, search, weights, table.halfvec)


async def _few(
    legs: Legs, asked: Sequence[Collection], search: Search, indexes: Indexes, wide: int
) -> list[Row] | None:
    """The nearest of one large collection of which a filter leaves few rows: the search of a small tenant."""
    if not legs.where or len(asked) != 1 or search.embedding is None:
        return None
    if asked[0].id not in await indexes.of(legs.connection, legs.table):
        return None
    vector = packed(search.embedding, legs.table.dimension, legs.table.halfvec)
    return await legs.few(asked[0].id, vector, wide)


@asynccontextmanager
async def _one_moment(connection: AsyncConnection[Any], needed: bool) -> AsyncIterator[None]:
    """All statements within see the same rows: a version that is published between two of them would answer beside the
    one that it replaces."""
    if not needed:
        yield
        return
    await connection.set_isolation_level(psycopg.IsolationLevel.REPEATABLE_READ)
    await connection.set_read_only(True)
    try:
        async with connection.transaction():
            yield
    finally:
        await connection.set_isolation_level(None)
        await connection.set_read_only(None)


async def _lists(
    legs: Legs, todo: Sequence[Step], asked: Sequence[Collection], search: Search, wide: int
) -> list[list[Row]]:
    lists = []
    if search.mode in ("hybrid", "dense"):
        if search.embedding is None:
            raise StoreFault("A search by meaning needs the question's embedding.")
        lists.append(await legs.dense(todo, packed(search.embedding, legs.table.dimension, legs.table.halfvec), wide))
    if search.mode in ("hybrid", "text"):
        lists.append(await legs.text(asked, search.text, wide))
    return lists


def _chosen(lists: list[list[Row]], search: Search, weights: tuple[float, float], halfvec: bool) -> list[Found]:
    rows = {(row[0], row[1]): row for one in lists for row in one}
    if len(lists) == 1:
        ranked = [((row[0], row[1]), row[6]) for row in lists[0]]
    else:
        near, said = lists
        ranked = fused(
            [
                [((row[0], row[1]), weights[0]) for row in near],
                [((row[0], row[1]), weights[1] * trust(row[6])) for row in said],
                [((row[0], row[1]), weights[1]) for row in _literal(said, search.text)],
            ]
        )
    if search.mmr is not None and search.embedding is not None:
        vectors = [unpacked(rows[key][5], halfvec) for key, _ in ranked]
        order = differing(search.embedding, vectors, search.limit, search.mmr)
        ranked = [(ranked[place][0], score) for place, score in order]
    return [_as_found(rows[key], score) for key, score in ranked[: search.limit]]


def _literal(rows: list[Row], text: str) -> list[Row]:
    """Those of the rows, in their order, that have a code or number of the question: places by meaning and by common
    words must not push them aside. None when most have one, as of a year."""
    codes = set(tokens(text))
    found = [row for row in rows if codes.intersection(tokens(row[3]))] if codes else []
    return found if 2 * len(found) <= max(len(rows), 2) else []


def _as_found(row: Row, score: float) -> Found:
    return Found(row[0], Chunk(row[1], row[2], row[3], (), row[4]), score)
