"""Filters as JSON mean what LlamaIndex's mean."""

from __future__ import annotations

import json

import pytest
from llama_index.core.vector_stores import FilterCondition, FilterOperator, MetadataFilter, MetadataFilters

from rag_service.filters import filters_of
from rag_service.store.filters import condition


@pytest.mark.parametrize("operator", list(FilterOperator))
@pytest.mark.parametrize("joined", list(FilterCondition))
def test_what_llamaindex_writes_down_comes_to_the_same_condition(
    operator: FilterOperator, joined: FilterCondition
) -> None:
    """Every operator and every condition, nested ones too."""
    value = ["a"] if operator.value in ("in", "nin", "any", "all") else "a"
    inner = MetadataFilters(filters=[MetadataFilter(key="n", value=1)], condition=joined)
    theirs = MetadataFilters(filters=[MetadataFilter(key="k", value=value, operator=operator), inner], condition=joined)
    assert condition(filters_of(json.loads(theirs.model_dump_json()))) == condition(theirs)


def test_what_is_left_out_is_as_llamaindex_has_it() -> None:
    """An equal sign, and an `and`."""
    said = {"filters": [{"key": "n", "value": 1}, {"key": "m", "value": 2}]}
    assert condition(filters_of(said)) == condition(MetadataFilters.model_validate(said))
