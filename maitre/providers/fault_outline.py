"""A provider's fault as a log may show it: never its words, which may quote a guest's, escaped in whatever way."""

from __future__ import annotations

import json
import re
from typing import Any

from maitre.errors import ProviderError

#: What a type or a code of OpenAI's error objects looks like: one name, or a number.
NAME = re.compile(r"[A-Za-z0-9_.-]{1,48}")


def outline(fault: ProviderError) -> str:
    """The fault's key and cause, the upstream's status, the type and code of its error, and how much it said."""
    error = _error(fault.detail)
    parts = [fault.key, fault.cause]
    if status := fault.values.get("upstream_status"):
        parts.append(f"status {status}")
    parts += [f"{name} {error[name]}" for name in ("type", "code") if NAME.fullmatch(str(error.get(name) or ""))]
    if fault.detail:
        parts.append(f"its words are not shown ({len(fault.detail)} characters)")
    return ", ".join(part for part in parts if part)


def _error(detail: str) -> dict[str, Any]:
    """The error object in what was said; empty where there is none."""
    try:
        said = json.loads(detail)
    except (ValueError, RecursionError):
        return {}
    inner = said.get("error", said) if isinstance(said, dict) else None
    return inner if isinstance(inner, dict) else {}
