"""The check of a tool's arguments, with the jsonschema library."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from jsonschema import Draft202012Validator


def problem(value: object, schema: Mapping[str, Any]) -> str | None:
    """None when the arguments fit, else what is wrong in a few words."""
    try:
        found = next(Draft202012Validator(schema).iter_errors(value), None)
    except RecursionError:
        return "they are nested too deeply"
    if found is None:
        return None
    where = "/".join(str(part) for part in found.path)
    return f"{where}: {found.message}"[:500] if where else found.message[:500]
