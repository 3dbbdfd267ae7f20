"""The check of an assistant's JSON answer, with the jsonschema library."""

from __future__ import annotations

import json
from collections.abc import Mapping

from jsonschema import Draft202012Validator


def problem(text: str, schema: Mapping[str, object] | None) -> str | None:
    """None for valid JSON that fits the schema, else what is wrong in a few words."""
    try:
        value = json.loads(text, parse_constant=_not_json)
        if schema is None:
            return None
        return _misfit(value, schema)
    except ValueError as bad:
        return f"it is not JSON ({bad})"
    except RecursionError:
        return "it is nested too deeply"


def _not_json(name: str) -> None:
    raise ValueError(f"{name} is no JSON number")


def _misfit(value: object, schema: Mapping[str, object]) -> str | None:
    error = next(iter(sorted(Draft202012Validator(schema).iter_errors(value), key=lambda error: len(error.path))), None)
    if error is None:
        return None
    where = "/".join(str(part) for part in error.path)
    return f"{where}: {error.message}"[:500] if where else error.message[:500]


def schema_problem(schema: Mapping[str, object]) -> str | None:
    """What is wrong with a schema itself, or None."""
    try:
        Draft202012Validator.check_schema(schema)
    except Exception as bad:  # noqa: BLE001 - jsonschema raises several kinds for a bad schema
        return str(getattr(bad, "message", bad))[:300]
    for ref in _refs(schema):
        if not _resolves(schema, ref):
            return f"$ref “{ref}” leads nowhere; only references within the schema are followed"
    return None


def _refs(value: object) -> list[str]:
    if isinstance(value, Mapping):
        own = [value["$ref"]] if isinstance(value.get("$ref"), str) else []
        return own + [ref for inner in value.values() for ref in _refs(inner)]
    return [ref for inner in value for ref in _refs(inner)] if isinstance(value, list) else []


def _resolves(schema: Mapping[str, object], ref: str) -> bool:
    place: object = schema
    if not ref.startswith("#"):
        return False
    for part in ref[1:].strip("/").split("/") if ref.strip("#/") else []:
        name = part.replace("~1", "/").replace("~0", "~")
        if not isinstance(place, Mapping) or name not in place:
            return False
        place = place[name]
    return True
