"""Whether a text contains a word or a phrase. Pure, in time linear in the text, whatever the operator wrote."""

from __future__ import annotations

import re
from collections.abc import Sequence

#: How much of a text is looked at. Characters.
LOOKED_AT = 20_000

_WORD = re.compile(r"\w+")


def contains(text: str, phrases: Sequence[str]) -> bool:
    """Whether any of the phrases stands in the text, word for word, in whatever letters and with whatever signs
    between its words. A phrase that ends in `*` may go on with any letters."""
    spoken = _spoken(text[:LOOKED_AT])
    return any(_begins(phrase) in spoken for phrase in phrases)


def says_something(phrase: str) -> bool:
    """Whether there is a word in the phrase to look for."""
    return _WORD.search(phrase) is not None


def _begins(phrase: str) -> str:
    words = _spoken(phrase)
    return words[:-1] if phrase.endswith("*") else words


def _spoken(text: str) -> str:
    return f" {' '.join(_WORD.findall(text.casefold()))} "
