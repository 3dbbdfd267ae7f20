"""What stands in a YAML file, taken for what it should be. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


def mapping(value: object) -> Mapping[str, Any]:
    """A section; nothing when it is none."""
    return value if isinstance(value, dict) else {}


def listed(value: object) -> list[Any]:
    """A list; nothing when it is none."""
    return value if isinstance(value, list) else []
