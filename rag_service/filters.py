"""Filters on metadata, as somebody sends them, made LlamaIndex's MetadataFilters."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from pydantic import ValidationError

from rag_service.errors import Refused
from rag_service.plain import problem_of

if TYPE_CHECKING:
    from llama_index.core.vector_stores import MetadataFilters

MOST = 50  # filters of a request
DEEPEST = 5  # filters within filters
LONGEST = 1000  # values of one filter


def filters_of(said: Any) -> MetadataFilters:
    """The filters that somebody sent as JSON. Raises Refused: 400 `bad_filters`."""
    if problem := _problem(said, 1, [0]) or problem_of(said, depth=DEEPEST * 3 + 2):
        raise refused(problem)
    # LlamaIndex takes seconds to import; whoever asks without filters does not wait for it.
    from llama_index.core.vector_stores import MetadataFilters

    try:
        return MetadataFilters.model_validate(said)
    except ValidationError as wrong:
        first = wrong.errors(include_url=False)[0]
        raise refused(f"{'.'.join(map(str, first['loc']))}: {first['msg']}") from wrong


def refused(problem: str) -> Refused:
    """A refusal of filters for that reason."""
    return Refused(400, "bad_filters", f"The parameter “filters” is wrong: {problem[:300].rstrip('.')}.")


def _problem(said: Any, depth: int, seen: list[int]) -> str | None:
    if not isinstance(said, Mapping) or not isinstance(said.get("filters"), list):
        return 'it must look like {"filters": [{"key": "year", "operator": ">=", "value": 2024}], "condition": "and"}'
    if unknown := set(said) - {"filters", "condition"}:
        return f"it has no “{sorted(map(str, unknown))[0][:100]}”"
    if depth > DEEPEST:
        return f"it is nested deeper than {DEEPEST} levels"
    for one in said["filters"]:
        seen[0] += 1
        if seen[0] > MOST:
            return f"there are more than {MOST} filters"
        nested = isinstance(one, Mapping) and "filters" in one
        if problem := _problem(one, depth + 1, seen) if nested else _wrong(one):
            return problem
    return None


def _wrong(one: Any) -> str | None:
    if not isinstance(one, Mapping) or not isinstance(one.get("key"), str) or not 0 < len(one["key"]) <= 200:
        return "each filter needs a “key” of 1 to 200 characters"
    if unknown := set(one) - {"key", "operator", "value"}:
        return f"a filter has no “{sorted(map(str, unknown))[0][:100]}”"
    if isinstance(one.get("value"), list) and len(one["value"]) > LONGEST:
        return f"a filter has more than {LONGEST} values"
    return None
