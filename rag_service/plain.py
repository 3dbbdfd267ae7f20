"""JSON that a database can hold: no NUL, no half characters, no number beyond 64 bits. Pure."""

from __future__ import annotations

import json
import math
from typing import Any

LARGEST = 2**63 - 1


def problem_of(value: Any, *, depth: int = 5, size: int = 100_000) -> str | None:
    """What is wrong with a JSON value, if anything is: what it holds, how deep it is, how many characters it has."""
    left = [(value, 1)]
    length = 0
    while left:
        one, level = left.pop()
        if level > depth:
            return f"it is nested deeper than {depth} levels"
        if isinstance(one, str) and (problem := text_problem(one)):
            return problem
        if isinstance(one, int) and not -LARGEST <= one <= LARGEST:
            return "a number is too large"
        if isinstance(one, float) and not math.isfinite(one):
            return "a number is not finite"
        length += len(one) if isinstance(one, str) else 8
        if isinstance(one, dict):
            left += [(part, level + 1) for part in (*one, *one.values())]
        elif isinstance(one, list):
            left += [(part, level + 1) for part in one]
        if length > size:
            return f"it is longer than {size} characters"
    return None


def text_problem(text: str) -> str | None:
    """What is wrong with a text, if anything is."""
    if "\x00" in text:
        return "it holds a NUL"
    if not text.isascii() and any("\ud800" <= letter <= "\udfff" for letter in text):
        return "it holds half a character"
    return None


def parsed(text: str) -> Any:
    """The JSON value that a text is. Raises ValueError, for what is nested beyond reason too."""
    try:
        return json.loads(text)
    except RecursionError as deep:
        raise ValueError("it is nested too deep") from deep
