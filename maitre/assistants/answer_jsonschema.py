"""The check of an assistant's JSON answer, with the jsonschema library."""

from __future__ import annotations

import json
from collections.abc import Mapping

from jsonschema import Draft202012Validator


def problem(text: str, schema: Mapping[str, object] | None) -> str | None:
    """None for valid JSON that fits the schema, else what is wrong in a few words."""
    try:
        value = json.loads(text)
    except ValueError as bad:
        return f"it is not JSON ({bad})"
    if schema is None:
        return None
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
    return None
