"""Migrations only expand: while they are applied, and after a release that goes back, an earlier release serves on the
tables that they leave.

What could get in its way needs a mark, as a comment before its statement:

    -- expansion: REASON           the earlier release lives with it, because REASON
    -- contraction since X.Y.Z     nothing uses it since that release, which is out
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator

from maitre.sql.statements import Statement, statements

NAME = r"(?P<table>[\w.\"]+)"

#: What an earlier release may not live with: a pattern of the statement, without its texts and in small letters.
HARMS = {
    "drops what an earlier release may use": r"\bdrop (?!index|default|not null)",
    "drops a default that an earlier release may count on": r"\bdrop default\b",
    "renames what an earlier release uses by its name": r"\brename\b",
    "changes the type of a column": r"\balter (column )?[\w\"]+ (set data )?type\b",
    "refuses rows that an earlier release may write": (
        r"\bset not null\b|\badd (constraint|check|unique|foreign|primary|exclude)\b|^create unique index\b"
        r"|\badd (column )?(if not exists )?(?!constraint|check|unique|foreign|primary|exclude)[^,]*"
        r"\b(unique|references|check)\b"
    ),
    "changes rows that an earlier release reads": r"^(update|delete|truncate|insert|merge|with)\b",
    "takes a right from somebody": r"^revoke\b",
}
_ADDED = re.compile(r"\badd (?:column )?(?:if not exists )?(?!constraint|check|unique|foreign|primary|exclude)")
_MADE = re.compile(rf"^create (?:unlogged )?table (?:if not exists )?{NAME}")
_MEANT = re.compile(
    rf"^(?:alter table|update|delete from|truncate|insert into|create unique index.*? on)"
    rf" (?:only )?(?:if exists )?{NAME}"
)
_TEXTS = re.compile(r"'(?:[^']|'')*'|\$(\w*)\$.*?\$\1\$", re.DOTALL)
_EXPANSION = re.compile(r"--\s*expansion: \S.*")
_CONTRACTION = re.compile(r"--\s*contraction since (?P<release>\S+)")


def mistakes(text: str, released: Collection[str]) -> Iterator[str]:
    """What is wrong with a migration, a sentence each. `released`: the versions that are out."""
    made: set[str] = set()
    for one in statements(text):
        bare = " ".join(_TEXTS.sub("''", one.text).lower().split())
        if found := _MADE.match(bare):
            made.add(found["table"])
        meant = _MEANT.match(bare)
        if meant and meant["table"] in made:
            continue  # nobody of an earlier release knows the table
        for harm in _harms(bare):
            if wrong := _unmarked(one, harm, released):
                yield wrong


def _harms(bare: str) -> Iterator[str]:
    for harm, pattern in HARMS.items():
        if re.search(pattern, bare):
            yield harm
    if bare.startswith("alter table") and any(_needed(column) for column in _ADDED.split(bare)[1:]):
        yield "adds a column that an earlier release does not fill in"


def _needed(column: str) -> bool:
    return "not null" in column and "default" not in column and "generated" not in column


def _unmarked(one: Statement, harm: str, released: Collection[str]) -> str | None:
    if _EXPANSION.search(one.comments):
        return None
    if contraction := _CONTRACTION.search(one.comments):
        if contraction["release"] in released:
            return None
        return f"line {one.line}: {contraction['release']} is not out yet: a contraction waits for it"
    return f"line {one.line} {harm}: {one.outline}"
