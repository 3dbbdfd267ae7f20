"""The code of a page of docs/: its fenced blocks, and what the page says that they print."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

DOCS = Path(__file__).parents[2] / "docs"

_FENCE = re.compile(r"^(?:<!-- (?P<note>[^>]*) -->\n)?```(?P<kind>\w*)\n(?P<text>.*?)^```$", re.MULTILINE | re.DOTALL)
_HEADING = re.compile(r"^#+ (.*)$", re.MULTILINE)

#: What stands for something that the page leaves out.
LEFT_OUT = "…"


@dataclass(frozen=True)
class Block:
    """One fenced block: below which heading, in which language, and the word in a comment before it."""

    heading: str
    kind: str
    note: str
    text: str
    prints: str | None = None  # None: the page does not say


def blocks(page: str) -> list[Block]:
    """The blocks of a page in order. A `text` block is what each block before it prints, back to the one before."""
    whole = (DOCS / page).read_text("utf-8")
    found: list[Block] = []
    since = 0
    for fence in _FENCE.finditer(whole):
        if fence["kind"] == "text":
            found[since:] = [Block(one.heading, one.kind, one.note, one.text, fence["text"]) for one in found[since:]]
            since = len(found)
        else:
            heading = _HEADING.findall(_without_code(whole[: fence.start()]))[-1]
            found.append(Block(heading, fence["kind"], fence["note"] or "", fence["text"]))
    return found


def programs(page: str) -> Iterator[Block]:
    """Those that a reader runs."""
    return (one for one in blocks(page) if one.kind in ("bash", "python", "javascript"))


def named(page: str, name: str) -> str:
    """The text of the block that a comment before it calls so: `<!-- file: bot.py -->`."""
    (text,) = (one.text for one in blocks(page) if one.note == f"file: {name}")
    return text


def same(printed: str, told: str) -> bool:
    """Whether a program printed what the page tells; white space between words aside."""
    parts = [r"\s*".join(re.escape(word) for word in part.split()) for part in told.split(LEFT_OUT)]
    return re.fullmatch(r"\s*" + r".*?".join(rf"\s*{part}\s*" for part in parts), printed, re.DOTALL) is not None


def _without_code(text: str) -> str:
    return _FENCE.sub("", text)
