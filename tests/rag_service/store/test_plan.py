"""How a search goes follows from the sizes."""

from __future__ import annotations

import pytest

from rag_service.chunk import Index
from rag_service.store.plan import EXACT, SMALL, WIDEST, Exact, Indexed, Through, settings, steps, wanted

BIG = Indexed("hnsw", 100_000)


@pytest.mark.parametrize(
    ("indexes", "left", "limit", "exact", "through"),
    [
        ({}, {}, 10, (1, 2), ()),
        ({1: BIG}, {}, 10, (2,), (1,)),
        ({1: BIG, 2: BIG}, {}, 10, (), (1, 2)),
        ({1: BIG}, {1: EXACT}, 10, (1, 2), ()),
        ({1: BIG}, {1: EXACT + 1}, 10, (2,), (1,)),
        ({1: BIG, 2: BIG}, {1: 0, 2: EXACT + 1}, 10, (1,), (2,)),
        ({1: BIG}, {}, WIDEST + 1, (1, 2), ()),
    ],
)
def test_small_ones_are_sorted_and_large_ones_searched_through_their_index(
    indexes: dict[int, Indexed], left: dict[int, int], limit: int, exact: tuple[int, ...], through: tuple[int, ...]
) -> None:
    """What has no index, or what a filter leaves little of, is exact; the small ones all at once."""
    found = steps([1, 2], indexes, left, limit)
    assert [one.collections for one in found if isinstance(one, Exact)] == ([exact] if exact else [])
    assert tuple(one.collection for one in found if isinstance(one, Through)) == through


def test_an_index_is_searched_wider_for_more_and_under_a_filter() -> None:
    """It always brings enough rows, and goes on until it has them."""
    plain, filtered = settings(BIG, 30, False), settings(BIG, 30, True)
    assert settings(BIG, 5, False) == {}
    assert int(plain["hnsw.ef_search"]) >= 60
    assert int(filtered["hnsw.ef_search"]) > int(plain["hnsw.ef_search"])
    assert int(settings(BIG, 900, True)["hnsw.ef_search"]) == WIDEST
    for one in (plain, filtered):
        assert one["hnsw.iterative_scan"] == "relaxed_order"
        assert int(one["hnsw.max_scan_tuples"]) >= BIG.rows
    lists = settings(Indexed("ivfflat", 100_000), 10, True)
    assert int(lists["ivfflat.max_probes"]) > int(lists["ivfflat.probes"]) >= 20


@pytest.mark.parametrize(
    ("kind", "rows", "indexable", "has", "want"),
    [
        ("hnsw", EXACT, True, False, False),
        ("hnsw", EXACT + 1, True, False, True),
        ("ivfflat", EXACT + 1, True, False, True),
        ("hnsw", SMALL + 1, True, True, True),
        ("hnsw", SMALL, True, True, False),
        ("exact", 10**6, True, True, False),
        ("hnsw", 10**6, False, False, False),
    ],
)
def test_an_index_comes_with_size_and_goes_with_half_of_it(
    kind: Index, rows: int, indexable: bool, has: bool, want: bool
) -> None:
    """So that it is not built and dropped again and again at the border."""
    assert wanted(kind, rows, indexable, has) is want
