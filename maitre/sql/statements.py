"""An SQL file taken apart into its statements, so that one that fails can be named."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

#: What a `;` inside does not end: quoted text, names, dollar-quoted bodies, comments.
_WHOLE = re.compile(
    r"'(?:[^']|'')*'" r'|"(?:[^"]|"")*"' r"|\$(?P<tag>\w*)\$.*?\$(?P=tag)\$" r"|--[^\n]*" r"|/\*.*?\*/" r"|;",
    re.DOTALL,
)
_COMMENT = re.compile(r"--[^\n]*|/\*.*?\*/", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Statement:
    """One statement without its comments, which stand apart, and the line of its file in which it begins."""

    text: str
    line: int
    comments: str

    @property
    def outline(self) -> str:
        """Its beginning, on one line."""
        text = " ".join(self.text.split())
        return text if len(text) <= 80 else f"{text[:79]}…"


def statements(text: str) -> Iterator[Statement]:
    """The statements of a file, in order. A comment belongs to the statement that it stands before or in."""
    begin = 0
    for found in _WHOLE.finditer(text):
        if found[0] == ";":
            yield from _statement(text, begin, found.start())
            begin = found.end()
    yield from _statement(text, begin, len(text))


def _statement(text: str, begin: int, end: int) -> Iterator[Statement]:
    plain, comments, last = "", [], begin
    for found in _WHOLE.finditer(text, begin, end):
        if _COMMENT.fullmatch(found[0]):
            # Blanks in its place keep the lines where they are.
            plain += text[last : found.start()] + re.sub(r"[^\n]", " ", found[0])
            comments.append(found[0])
            last = found.end()
    plain += text[last:end]
    if plain.strip():
        before = len(plain) - len(plain.lstrip())
        line = text.count("\n", 0, begin) + plain.count("\n", 0, before) + 1
        yield Statement(plain.strip(), line, "\n".join(comments))
