"""LlamaIndex's metadata filters as SQL. Pure. Nothing of a filter is ever a part of the statement's text.

Null and absent are the same. EQ, IN, ANY, ALL and CONTAINS use the index over `metadata`, unless they are negated.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from rag_service.store.faults import FilterFault

#: A filter larger than this is no question of a person.
DEEPEST, MOST = 16, 1000


@dataclass(frozen=True, slots=True)
class Condition:
    """A condition of SQL that is true or false, never null, and its parameters in order."""

    sql: str = "true"
    parameters: tuple[Any, ...] = ()

    def __bool__(self) -> bool:
        """Whether it leaves anything out."""
        return self.sql != "true"

    def __invert__(self) -> Condition:
        return Condition(f"not {self.sql}", self.parameters)


EVERYTHING = Condition()


def joined(word: str, conditions: Sequence[Condition], empty: str = "true") -> Condition:
    """The conditions with `and` or `or` between them."""
    if word == "and":
        conditions = [one for one in conditions if one]
    if not conditions:
        return Condition(empty)
    if len(conditions) == 1:
        return conditions[0]
    sql = f" {word} ".join(one.sql for one in conditions)
    return Condition(f"({sql})", tuple(value for one in conditions for value in one.parameters))


def condition(filters: Any, column: str = "metadata") -> Condition:
    """What a `MetadataFilters` leaves of rows whose jsonb is `column`. Raises FilterFault with a sentence."""
    return _group(filters, column, DEEPEST, [MOST]) if filters is not None else Condition()


def _group(filters: Any, column: str, depth: int, left: list[int]) -> Condition:
    if depth == 0:
        raise FilterFault(f"Filters are nested more than {DEEPEST} deep.")
    parts = []
    for one in filters.filters:
        left[0] -= 1
        if left[0] < 0:
            raise FilterFault(f"There are more than {MOST} filters.")
        nested = hasattr(one, "filters")
        parts.append(_group(one, column, depth - 1, left) if nested else _filter(one, column))
    match filters.condition or "and":
        case "and":
            return joined("and", parts)
        case "or":
            return joined("or", parts)
        case "not":
            return ~joined("or", parts) if parts else Condition()
        case unknown:
            raise FilterFault(f"There is no condition {str(unknown)!r}.")


def _filter(one: Any, column: str) -> Condition:
    make = OPERATORS.get(one.operator)
    if make is None:
        raise FilterFault(f"There is no operator {str(one.operator)!r}.")
    return make(column, _storable(one.key), one.value)


def _storable(text: str) -> str:
    """The text, unless PostgreSQL has none like it."""
    if "\0" in text or any("\ud800" <= letter <= "\udfff" for letter in text):
        raise FilterFault("A filter has a character that no text can hold.")
    return text


def _json(value: Any) -> str:
    for one in value if isinstance(value, list) else [value]:
        if isinstance(one, str):
            _storable(one)
    try:
        return json.dumps(value, ensure_ascii=False, allow_nan=False)
    except (ValueError, TypeError) as e:
        raise FilterFault("A filter's value is a number, a text or a list of them.") from e


def _holds(column: str, key: str, value: Any) -> Condition:
    return Condition(f"({column} @> %s::jsonb)", (f"{{{_json(key)}: {_json(value)}}}",))


def _equal(column: str, key: str, value: Any) -> Condition:
    if value is None:
        return Condition(f"(coalesce({column} -> %s, 'null') = 'null'::jsonb)", (key,))
    if isinstance(value, list):
        return Condition(f"(coalesce({column} -> %s, 'null') = %s::jsonb)", (key, _json(value)))
    return _holds(column, key, value)


def _among(column: str, key: str, value: Any) -> Condition:
    return joined("or", [_equal(column, key, one) for one in _many(value)], empty="false")


def _many(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [] if value is None else [value]


def _compared(sign: str) -> Callable[[str, str, Any], Condition]:
    def make(column: str, key: str, value: Any) -> Condition:
        field = f"({column} -> %s)"
        if isinstance(value, str):  # by code points, as Python does; ISO dates too
            sql = f"(coalesce(jsonb_typeof{field} = 'string' and ({column} ->> %s) collate \"C\" {sign} %s, false))"
            return Condition(sql, (key, key, _storable(value)))
        if isinstance(value, int | float):
            sql = f"(coalesce(jsonb_typeof{field} = 'number' and {field} {sign} %s::jsonb, false))"
            return Condition(sql, (key, key, _json(value)))
        raise FilterFault(f"{key!r} can only be compared ({sign}) with a number or a text.")

    return make


def _any(column: str, key: str, value: Any) -> Condition:
    return joined("or", [_holds(column, key, [one]) for one in _many(value)], empty="false")


def _contains(column: str, key: str, value: Any) -> Condition:
    if isinstance(value, list) or value is None:
        raise FilterFault(f"{key!r} contains one value; use any or all for several.")
    return _holds(column, key, [value])


def _text(lower: bool) -> Callable[[str, str, Any], Condition]:
    def make(column: str, key: str, value: Any) -> Condition:
        if not isinstance(value, str):
            raise FilterFault(f"{key!r} can only be matched with a text.")
        field, sought = (f"lower({column} ->> %s)", "lower(%s)") if lower else (f"({column} ->> %s)", "%s")
        sql = f"(coalesce(jsonb_typeof({column} -> %s) = 'string' and strpos({field}, {sought}) > 0, false))"
        return Condition(sql, (key, key, _storable(value)))

    return make


def _empty(column: str, key: str, value: Any) -> Condition:
    return Condition(f"""(coalesce({column} -> %s, 'null') in ('null'::jsonb, '""'::jsonb, '[]'::jsonb))""", (key,))


#: By the values of LlamaIndex's FilterOperator.
OPERATORS: dict[str, Callable[[str, str, Any], Condition]] = {
    "==": _equal,
    "!=": lambda column, key, value: ~_equal(column, key, value),
    ">": _compared(">"),
    ">=": _compared(">="),
    "<": _compared("<"),
    "<=": _compared("<="),
    "in": _among,
    "nin": lambda column, key, value: ~_among(column, key, value),
    "any": _any,
    "all": lambda column, key, value: _holds(column, key, _many(value)),
    "contains": _contains,
    "text_match": _text(lower=False),
    "text_match_insensitive": _text(lower=True),
    "is_empty": _empty,
}
