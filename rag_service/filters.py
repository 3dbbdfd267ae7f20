"""Filters on metadata, as somebody sends them: LlamaIndex's MetadataFilters as JSON. Pure.

LlamaIndex itself takes seconds to import, in which the service would answer nobody; the store asks the nouns below for
the same fields as its.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from rag_service.errors import Refused
from rag_service.plain import problem_of
from rag_service.store.filters import OPERATORS

MOST = 50  # filters of a request
DEEPEST = 5  # filters within filters
LONGEST = 1000  # values of one filter

_EXAMPLE = 'it must look like {"filters": [{"key": "year", "operator": ">=", "value": 2024}], "condition": "and"}'


@dataclass(frozen=True, slots=True)
class Filter:
    """As llama_index.core.vector_stores.MetadataFilter."""

    key: str
    operator: str
    value: Any


@dataclass(frozen=True, slots=True)
class Filters:
    """As llama_index.core.vector_stores.MetadataFilters."""

    filters: tuple[Filter | Filters, ...]
    condition: str


def filters_of(said: Any) -> Filters:
    """The filters that somebody sent as JSON. Raises Refused: 400 `bad_filters`."""
    if problem := problem_of(said, depth=3 * DEEPEST):
        raise refused(problem)
    return _group(said, 1, [MOST])


def refused(problem: str) -> Refused:
    """A refusal of filters for that reason."""
    problem = problem[:300].removesuffix(".")
    return Refused(400, "bad_filters", f"The parameter “filters” is wrong: {problem}.")


def _group(said: Any, depth: int, left: list[int]) -> Filters:
    if not isinstance(said, Mapping) or not isinstance(said.get("filters"), list):
        raise refused(_EXAMPLE)
    _only(said, "filters", "condition")
    condition = said.get("condition") or "and"
    if condition not in ("and", "or", "not"):
        raise refused("a condition is “and”, “or” or “not”")
    if depth > DEEPEST:
        raise refused(f"it is nested deeper than {DEEPEST} levels")
    parts: list[Filter | Filters] = []
    for one in said["filters"]:
        left[0] -= 1
        if left[0] < 0:
            raise refused(f"there are more than {MOST} filters")
        nested = isinstance(one, Mapping) and "filters" in one
        parts.append(_group(one, depth + 1, left) if nested else _filter(one))
    return Filters(tuple(parts), condition)


def _filter(one: Any) -> Filter:
    if not isinstance(one, Mapping) or not isinstance(one.get("key"), str) or not 0 < len(one["key"]) <= 200:
        raise refused("each filter needs a “key” of 1 to 200 characters")
    _only(one, "key", "operator", "value")
    operator, value = one.get("operator", "=="), one.get("value")
    if not isinstance(operator, str) or operator not in OPERATORS:
        raise refused(f"the operators are {' '.join(OPERATORS)}")
    many = value if isinstance(value, list) else [value]
    if len(many) > LONGEST or any(isinstance(single, list | dict) for single in many):
        raise refused(f"a value is a text, a number or a list of up to {LONGEST} of them")
    return Filter(one["key"], operator, value)


def _only(said: Mapping[Any, Any], *fields: str) -> None:
    if unknown := set(said) - set(fields):
        raise refused(f"there is no “{sorted(unknown)[0][:100]}”")
