"""Text from outside, made safe to send on and to show."""

from __future__ import annotations

import re
from typing import Any

# C0 and C1 control characters, but for tab, line feed and carriage return. NUL breaks Postgres text and some
# tokenizers; the others are never part of a message. Lone surrogates cannot be encoded as UTF-8.
_CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ud800-\udfff]")

_SHOWN = str.maketrans(
    {"<": "‹", ">": "›", "&": "+", "`": "'", "[": "(", "]": ")", "*": "", "_": " ", "|": "/", "\\": "/"}
)


def clean(text: str) -> str:
    """The text without control characters."""
    return _CONTROL.sub("", text)


def clean_deep(value: Any) -> Any:
    """The same for every string in a JSON value."""
    if isinstance(value, str):
        return clean(value)
    if isinstance(value, list):
        return [clean_deep(item) for item in value]
    if isinstance(value, dict):
        return {clean(str(key)): clean_deep(item) for key, item in value.items()}
    return value


def larger(value: Any, most: int) -> bool:
    """Whether the strings and numbers of a JSON value have more than so many characters together, roughly. It looks no
    further than it must, and copies nothing."""
    rest = [value]
    while rest and most >= 0:
        one = rest.pop()
        if isinstance(one, str):
            most -= len(one)
        elif isinstance(one, dict):
            rest += one.keys()
            rest += one.values()
        elif isinstance(one, list | tuple):
            rest += one
        most -= 2  # a mark and a comma at least
    return most < 0


def shown(name: str, limit: int = 80) -> str:
    """A name as it may stand in a sentence that a browser renders as Markdown: one line, no markup."""
    return " ".join(clean(name).translate(_SHOWN).split())[:limit]
