"""The languages of a collection, and what PostgreSQL makes of them. Pure."""

from __future__ import annotations

#: What PostgreSQL 18 can stem.
STEMMED = frozenset(
    (
        "arabic", "armenian", "basque", "catalan", "danish", "dutch", "english", "finnish", "french", "german", "greek",
        "hindi", "hungarian", "indonesian", "irish", "italian", "lithuanian", "nepali", "norwegian", "portuguese",
        "romanian", "russian", "serbian", "spanish", "swedish", "tamil", "turkish", "yiddish",
    )
)  # fmt: skip

#: What a collection may be in: for those that PostgreSQL cannot stem there are trigrams.
LANGUAGES = STEMMED | {"simple", "ukrainian"}


def configuration(language: str) -> str:
    """The text search configuration for texts of that language."""
    return language if language in STEMMED else "simple"
