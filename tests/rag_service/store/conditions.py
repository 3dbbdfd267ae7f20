"""LlamaIndex's filters by brute force in Python, and metadata of every shape to try them on."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from llama_index.core.vector_stores.types import FilterCondition, FilterOperator, MetadataFilter, MetadataFilters

#: Node ids and their metadata.
SHAPES: dict[str, dict[str, Any]] = {
    "none": {},
    "null": {"k": None},
    "zero": {"k": 0, "tags": []},
    "one": {"k": 1, "tags": ["red"]},
    "float": {"k": 1.0, "tags": ["red", "blue"]},
    "two": {"k": 2.5, "tags": ["blue", "green"], "s": ""},
    "digit": {"k": "1", "tags": "red", "s": "Straight on"},
    "word": {"k": "apple", "tags": [1, 2], "s": "The quick Brown fox"},
    "upper": {"k": "Apple", "tags": [2, 3], "s": "їжак Їсть"},
    "cyrillic": {"k": "яблуко", "s": "100% \\ 'quoted' \"twice\""},
    "date": {"k": "2026-03-01", "s": ["Brown"]},
    "later": {"k": "2026-11-21", "tags": [[1]]},
    "list": {"k": ["apple"], "tags": ["red", 1]},
    "map": {"k": {"apple": 1}},
    "true": {"k": True},
}

VALUES: list[Any] = [
    0,
    1,
    2,
    1.0,
    2.5,
    -1e300,
    "1",
    "apple",
    "Apple",
    "яблуко",
    "2026-06-01",
    "",
    "red",
    "Brown",
    "їжак",
]
LISTS: list[Any] = [[], [1], [1, 2], [2.5], ["red"], ["red", "blue"], ["apple", "1"], ["nothing"]]
COMPARED = {"<": lambda a, b: a < b, "<=": lambda a, b: a <= b, ">": lambda a, b: a > b, ">=": lambda a, b: a >= b}
LISTED = (FilterOperator.IN, FilterOperator.NIN, FilterOperator.ANY, FilterOperator.ALL)


def cases() -> list[MetadataFilter]:
    """Every operator with every value that it takes, on three keys."""
    found = []
    for key in ("k", "tags", "s"):
        for operator in FilterOperator:
            values = LISTS if operator in LISTED else VALUES
            if operator is FilterOperator.IS_EMPTY:
                values = [None]
            if operator in (FilterOperator.EQ, FilterOperator.NE):
                values = [*VALUES, *LISTS, None]
            if operator in (FilterOperator.TEXT_MATCH, FilterOperator.TEXT_MATCH_INSENSITIVE):
                values = [
                    *(value for value in VALUES if isinstance(value, str)),
                    "bROWN f",
                    "%",
                    "\\ '",
                    "ЇЖАК",
                    '" or 1=1',
                ]
            found += [MetadataFilter(key=key, value=value, operator=operator) for value in values]
    return found


def _number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _same(one: Any, other: Any) -> bool:
    """Equal as JSON: 1 is 1.0, true is not 1."""
    if isinstance(one, list) and isinstance(other, list):
        return len(one) == len(other) and all(map(_same, one, other))
    return bool(one == other) and isinstance(one, bool) == isinstance(other, bool)


def matches(one: MetadataFilter | MetadataFilters, metadata: Mapping[str, Any]) -> bool:
    """Whether a filter leaves a node with this metadata."""
    if isinstance(one, MetadataFilters):
        parts = [matches(part, metadata) for part in one.filters]
        if not parts:
            return True
        if one.condition is FilterCondition.OR:
            return any(parts)
        return not any(parts) if one.condition is FilterCondition.NOT else all(parts)
    has, value = metadata.get(one.key), one.value
    within = has if isinstance(has, list) else []
    match one.operator:
        case FilterOperator.EQ:
            return _same(has, value)
        case FilterOperator.NE:
            return not _same(has, value)
        case FilterOperator.IN:
            return any(_same(has, each) for each in value)  # type: ignore[union-attr]
        case FilterOperator.NIN:
            return not any(_same(has, each) for each in value)  # type: ignore[union-attr]
        case FilterOperator.ANY:
            return any(_same(item, each) for each in value for item in within)  # type: ignore[union-attr]
        case FilterOperator.ALL:
            return isinstance(has, list) and all(
                any(_same(item, each) for item in within)
                for each in value  # type: ignore[union-attr]
            )
        case FilterOperator.CONTAINS:
            return any(_same(item, value) for item in within)
        case FilterOperator.TEXT_MATCH:
            return isinstance(has, str) and value in has  # type: ignore[operator]
        case FilterOperator.TEXT_MATCH_INSENSITIVE:
            return isinstance(has, str) and value.lower() in has.lower()  # type: ignore[union-attr]
        case FilterOperator.IS_EMPTY:
            return has is None or has in ("", [])
    alike = _number(has) and _number(value) or isinstance(has, str) and isinstance(value, str)
    return bool(alike and COMPARED[one.operator.value](has, value))
