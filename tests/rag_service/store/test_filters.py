"""Every filter of LlamaIndex leaves what brute force leaves, and none becomes a part of a statement."""

from __future__ import annotations

import random
from typing import Any

import psycopg
import pytest
from llama_index.core.vector_stores.types import FilterCondition, FilterOperator, MetadataFilter, MetadataFilters

from rag_service.store.chunks import Chunks
from rag_service.store.faults import FilterFault
from rag_service.store.filters import condition
from tests.rag_service.store.conditions import SHAPES, cases, matches
from tests.rag_service.store.rows import chunk, collection
from tests.rag_service.store.test_chunks import all_of

ONE = collection(1)
EVIL = [
    "' or true --",
    "'); drop table chunks_8; --",
    "k' = 'k' or '1' = '1",
    "%s",
    "%(x)s",
    "%",
    "\"}' or 1=1",
    "\\'; select pg_sleep(9); --",
    "$1",
    "{}",
    'k" : 1} || {"',
    "\u2019 or 1=1",
]


async def left(chunks: Chunks, filters: MetadataFilters) -> set[str]:
    """The node ids that the filters leave."""
    return {one.node_id for one in await chunks.matching(ONE, condition(filters))}


@pytest.fixture
async def shapes(chunks: Chunks) -> Chunks:
    """A collection with metadata of every shape."""
    await chunks.put(ONE, [chunk(name, **metadata) for name, metadata in SHAPES.items()])
    return chunks


async def test_every_operator_leaves_what_brute_force_leaves(shapes: Chunks) -> None:
    """All operators with values of all types, also alone within NOT."""
    for one in cases():
        for outer in (FilterCondition.AND, FilterCondition.NOT):
            filters = MetadataFilters(filters=[one], condition=outer)
            wanted = {name for name, metadata in SHAPES.items() if matches(filters, metadata)}
            assert await left(shapes, filters) == wanted, f"{outer.value} {one!r}"
    assert {one.operator for one in cases()} == set(FilterOperator)


async def test_every_condition_leaves_what_brute_force_leaves(shapes: Chunks) -> None:
    """AND, OR, NOT and none, of several filters, nested at random."""
    source, leaves = random.Random(5), cases()

    def group(depth: int) -> MetadataFilters:
        parts = [
            group(depth - 1) if depth and source.random() < 0.4 else source.choice(leaves)
            for _ in range(source.randint(0, 4))
        ]
        return MetadataFilters(filters=parts, condition=source.choice([*FilterCondition, None]))

    for _ in range(300):
        filters = group(3)
        wanted = {name for name, metadata in SHAPES.items() if matches(filters, metadata)}
        assert await left(shapes, filters) == wanted, repr(filters)


@pytest.mark.parametrize("text", EVIL)
async def test_nothing_of_a_filter_becomes_sql(shapes: Chunks, text: str) -> None:
    """As a key and as a value, with every operator, such a text matches only itself."""
    rows: dict[str, dict[str, Any]] = {**SHAPES, "evil": {text: text, "k": text}, "list": {text: [text]}}
    await shapes.put(ONE, [chunk(name, **rows[name]) for name in ("evil", "list")])
    for operator in FilterOperator:
        value = [text] if operator.name in ("IN", "NIN", "ANY", "ALL") else text
        for key in (text, "k"):
            filters = MetadataFilters(filters=[MetadataFilter(key=key, value=value, operator=operator)])
            wanted = {name for name, metadata in rows.items() if matches(filters, metadata)}
            assert await left(shapes, filters) == wanted, f"{operator} {key!r}"
            assert text not in condition(filters).sql.replace("%s", "") or text in ("%", "{}")
    assert await all_of(shapes, ONE) == {*SHAPES, "evil"}


@pytest.mark.parametrize(
    "one",
    [
        MetadataFilter(key="k\0", value=1),
        MetadataFilter(key="k", value="\0"),
        MetadataFilter(key="k", value="\ud800"),
        MetadataFilter(key="k", value=["a\0"], operator=FilterOperator.IN),
        MetadataFilter(key="k", value=float("nan")),
        MetadataFilter(key="k", value=["a"], operator=FilterOperator.GT),
        MetadataFilter(key="k", value=None, operator=FilterOperator.LT),
        MetadataFilter(key="k", value=["a"], operator=FilterOperator.CONTAINS),
        MetadataFilter(key="k", value=1, operator=FilterOperator.TEXT_MATCH),
    ],
)
def test_a_senseless_filter_is_refused(one: MetadataFilter) -> None:
    """With a sentence, before any statement."""
    with pytest.raises(FilterFault):
        condition(MetadataFilters(filters=[one]))


def test_a_filter_without_end_is_refused() -> None:
    """Depth and number have bounds."""
    deep = MetadataFilters(filters=[])
    for _ in range(20):
        deep = MetadataFilters(filters=[deep])
    wide = MetadataFilters(filters=[MetadataFilter(key="k", value=1)] * 1001)
    for filters in (deep, wide):
        with pytest.raises(FilterFault):
            condition(filters)


async def test_equality_uses_the_index(shapes: Chunks, database: str) -> None:
    """EQ and IN are answered by the index over the metadata."""
    for value, operator in ((1, FilterOperator.EQ), ([1, 2], FilterOperator.IN)):
        where = condition(MetadataFilters(filters=[MetadataFilter(key="k", value=value, operator=operator)]))
        with psycopg.connect(database) as connection:
            connection.execute("set enable_seqscan = off")
            plan = connection.execute(f"explain select 1 from chunks_8 where {where.sql}", where.parameters).fetchall()
        assert "chunks_8_metadata" in str(plan)
