"""What of a text is looked for literally, and how much each word says. Pure."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

#: Codes, article and contract numbers, versions: words with a digit or an underscore, whole.
_TOKEN = re.compile(r"\w+(?:[-./:]\w+)*")
_LONGEST = 64

#: How many words of a question are looked for, the rarest.
MOST_TERMS = 32

#: Rows that the rarest words of a question may bring before the others only rank.
ENOUGH = 2000


@dataclass(frozen=True, slots=True)
class Term:
    """A word of a question as a tsquery, and in how many chunks it is; `word` is it without endings cut."""

    query: str
    word: str
    hits: int = 0


#: What makes a word one that is looked for as it is written.
_MARK = re.compile(r"[\d_]")


def tokens(text: str) -> list[str]:
    """Words that are looked for exactly as they are written, in small letters: `pg-5031`, also as `pg5031`, `5031`."""
    if _MARK.search(text) is None:
        return []
    found: dict[str, None] = {}
    for token in _TOKEN.findall(text.lower()):
        if len(token) > _LONGEST or _MARK.search(token) is None:
            continue
        parts = re.split(r"[-./:_]", token)
        found[token] = None
        if any(letter.isalpha() for letter in token):
            found["".join(parts)] = None
        for part in parts:
            if len(part) >= 3 and part.isdigit():
                found[part] = None
    return [token for token in found if token]


def terms(lexemes: Iterable[str], exact: Iterable[str], dictionary: bool) -> list[Term]:
    """A question's terms: the lexemes that PostgreSQL made of it, and its exact tokens.
    Without a dictionary, a word stands for all that begin like it."""
    found: dict[str, Term] = {}
    for word in lexemes:
        stem = word if dictionary else _beginning(word)
        query = f"{_quoted(stem)}:*" if stem != word else _quoted(word)
        found.setdefault(query, Term(query, word))
    for word in exact:
        found.setdefault(_quoted(word), Term(_quoted(word), word))
    return list(found.values())


def _beginning(word: str) -> str:
    """A word without what is likely its ending."""
    if len(word) < 5 or not word.isalpha():
        return word
    return word[: -(1 if len(word) < 7 else 2 if len(word) < 9 else 3)]


def _quoted(word: str) -> str:
    return "'" + word.replace("\\", "\\\\").replace("'", "''") + "'"


def weight(hits: int, rows: int) -> float:
    """How much a word says that is in `hits` of `rows` chunks: the inverse document frequency of BM25."""
    return math.log(1 + (max(rows, hits) - hits + 0.5) / (hits + 0.5))


def rarest(found: Sequence[Term]) -> list[Term]:
    """The terms that are there at all, rare ones first, as many as are looked for."""
    return sorted((term for term in found if term.hits), key=lambda term: term.hits)[:MOST_TERMS]


def sought(found: Sequence[Term]) -> list[Term]:
    """The rarest terms that are there at all: together they bring enough rows; the others only rank them."""
    total = 0
    chosen: list[Term] = []
    for term in rarest(found):
        if chosen and total + term.hits > ENOUGH:
            break
        chosen.append(term)
        total += term.hits
    return chosen


def missing(found: Sequence[Term]) -> list[str]:
    """Words that are nowhere as they are, and long enough to be looked for by likeness."""
    return [term.word for term in found if not term.hits and len(term.word) >= 4][:3]
