"""How the nearest vectors are found, by the size of what is searched. Pure.

An index that covers many rows loses nearly all of the few that a filter leaves; sorting those few is exact and faster.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import ceil

from rag_service.chunk import Index
from rag_service.store.tables import lists

#: Rows that are sorted faster than an index with a filter finds its way to them.
EXACT = 8000

#: A collection's own index goes when so few rows are left.
SMALL = EXACT // 2

#: hnsw.ef_search of pgvector as it comes, and at most.
DEFAULT_WIDTH, WIDEST = 40, 1000

#: The least that a search sets. One of half vectors as wide as 40 finds a little less than one of vectors: 0.92 for
#: 0.94 of the five nearest of 100,000. This wide it finds as much, for a tenth of the server's time.
WIDTH = 64


@dataclass(frozen=True, slots=True)
class Indexed:
    """A collection's own index: its kind, and its rows when it was last counted."""

    kind: Index
    rows: int


@dataclass(frozen=True, slots=True)
class Exact:
    """All rows of these collections are sorted."""

    collections: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Through:
    """The index of one collection is asked, with these settings of pgvector."""

    collection: int
    settings: Mapping[str, str]


Step = Exact | Through


def steps(
    collections: Sequence[int], indexes: Mapping[int, Indexed], left: Mapping[int, int], limit: int
) -> list[Step]:
    """How to find the `limit` nearest of the collections. `left` says how many rows a filter leaves of each
    collection with an index (counted up to EXACT + 1); one that is not named there is not filtered."""
    through = [one for one in collections if one in indexes and left.get(one, EXACT + 1) > EXACT and limit <= WIDEST]
    exact = tuple(one for one in collections if one not in through)
    found: list[Step] = [Exact(exact)] if exact else []
    return found + [Through(one, settings(indexes[one], limit, one in left)) for one in through]


def alone(todo: Sequence[Step]) -> bool:
    """Whether one statement without settings of its own answers."""
    return len(todo) == 1 and (isinstance(todo[0], Exact) or not todo[0].settings)


def settings(index: Indexed, limit: int, filtered: bool) -> dict[str, str]:
    """The settings with which an index finds nearly all of the `limit` nearest; none: pgvector's own will do. With a
    filter it goes on until it has as many, over the whole index if it must."""
    if index.kind == "hnsw" and not filtered and limit * 2 <= DEFAULT_WIDTH:
        return {}
    wide = max(limit * 4, 200) if filtered else max(limit * 2, WIDTH)
    if index.kind == "ivfflat":
        count = lists(index.rows)
        found = {"ivfflat.probes": str(max(10, ceil(count / 5)))}
        return found | {"ivfflat.iterative_scan": "relaxed_order", "ivfflat.max_probes": str(min(32768, count * 4))}
    return {
        "hnsw.ef_search": str(min(WIDEST, wide)),
        "hnsw.iterative_scan": "relaxed_order",
        "hnsw.max_scan_tuples": str(max(20_000, index.rows * 2)),
    }


def wanted(kind: Index, rows: int, indexable: bool, has: bool) -> bool:
    """Whether a collection of so many rows is to have an index of its own."""
    return kind != "exact" and indexable and rows > (SMALL if has else EXACT)
