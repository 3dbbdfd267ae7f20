"""A search from its question to its chunks: both legs in one snapshot, fusion, differing. Pure but for what is known of
the indexes."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from rag_service.chunk import Chunk, Collection, Found, Search
from rag_service.store.asking import Asking, Statement
from rag_service.store.faults import StoreFault
from rag_service.store.filters import Condition, condition, joined
from rag_service.store.fusion import fused, trust
from rag_service.store.indexes import Indexes
from rag_service.store.legs import Legs, Row
from rag_service.store.mmr import differing
from rag_service.store.plan import alone
from rag_service.store.tables import NO_WORDS, Table
from rag_service.store.vectors import packed, unpacked
from rag_service.store.words import tokens

#: Each leg brings more than is asked for, so that what both know rises.
TIMES, LEAST = 4, 40


def found_in(
    indexes: Indexes,
    table_of: Callable[[int], Table],
    collections: Sequence[Collection],
    search: Search,
    also: Condition,
    weights: tuple[float, float],
) -> Asking[list[Found]]:
    """What `Chunks.search` promises, on a connection in autocommit: what one statement answers needs no transaction."""
    asked = [one for one in collections if one.id in set(search.collections)]
    if not asked or search.limit < 1:
        return []
    if len({one.dimension for one in asked}) > 1:
        raise StoreFault("Collections of different embedding models cannot be searched at once.")
    if search.mode != "dense" and (mute := [one.name for one in asked if one.language == NO_WORDS]):
        raise StoreFault(f"The collection {mute[0]!r} was made without a language: it is searched by meaning alone.")
    table = table_of(asked[0].dimension)
    where = joined("and", [condition(search.filters), also])
    legs = Legs(table, where, embeddings=search.mmr is not None)
    wide = max(search.limit * TIMES, LEAST) if search.mode == "hybrid" or search.mmr is not None else search.limit
    known = (yield from indexes.of(table)) if search.mode != "text" else {}
    many = None
    if search.mode == "dense" and where and len(asked) == 1 and asked[0].id in known:
        rows = yield from legs.few(asked[0].id, _vector(search, table), wide)
        if rows is not None:  # the search of a small tenant
            return _chosen([rows], search, weights, table.halfvec)
        many = asked[0].id
    todo = []
    if search.mode != "text":
        todo = yield from legs.steps([one.id for one in asked], known, wide, many)
    one_moment = search.mode != "dense" or not alone(todo)
    if one_moment:  # a version that is published between two statements would answer beside the one that it replaces
        yield Statement("begin isolation level repeatable read read only")
    lists = []
    if search.mode in ("hybrid", "dense"):
        lists.append((yield from legs.dense(todo, _vector(search, table), wide)))
    if search.mode in ("hybrid", "text"):
        lists.append((yield from legs.text(asked, search.text, wide)))
    if one_moment:
        yield Statement("commit")
    return _chosen(lists, search, weights, table.halfvec)


def _vector(search: Search, table: Table) -> bytes:
    if search.embedding is None:
        raise StoreFault("A search by meaning needs the question's embedding.")
    return packed(search.embedding, table.dimension, table.halfvec)


def _chosen(lists: list[list[Row]], search: Search, weights: tuple[float, float], halfvec: bool) -> list[Found]:
    rows = {(row[0], row[1]): row for one in lists for row in one}
    if len(lists) == 1:
        ranked = [((row[0], row[1]), row[7]) for row in lists[0]]
    else:
        near, said = lists
        ranked = fused(
            [
                [((row[0], row[1]), weights[0]) for row in near],
                [((row[0], row[1]), weights[1] * trust(row[7])) for row in said],
                [((row[0], row[1]), weights[1]) for row in _literal(said, search.text)],
            ]
        )
    if search.mmr is not None and search.embedding is not None:
        vectors = [unpacked(rows[key][6], halfvec) for key, _ in ranked]
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
    return Found(row[0], Chunk(row[1], row[2], row[3], (), row[4], row[5]), score)
