"""What a file says, in order. Pure."""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass

from rag_service.errors import Unreadable

# PostgreSQL refuses NUL, UTF-8 lone surrogates; U+FFFE and U+00AD are hyphens of a line's end.
_DROPPED = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x84\x86-\x9f\u00ad\u200b\u200e\u200f\u2060\ud800-\udfff\ufeff\ufffe\uffff]"
)
_SPACES = re.compile(r"[^\S\n]+")


@dataclass(frozen=True, slots=True)
class Heading:
    """A heading of `level` 1 (the highest) and more. One without text ends the sections before it."""

    text: str
    level: int
    page: int | None = None


@dataclass(frozen=True, slots=True)
class Paragraph:
    """Running text; line breaks that matter are kept."""

    text: str
    page: int | None = None


@dataclass(frozen=True, slots=True)
class Table:
    """Rows as lines of ` | ` between cells; `header` is the line of the columns' names."""

    header: str
    rows: tuple[str, ...]
    page: int | None = None


Block = Heading | Paragraph | Table


@dataclass(frozen=True, slots=True)
class Parsed:
    """A file's text. `kind` is what it really was (pdf, docx, …); `pages` are a PDF's pages or a PPTX's slides."""

    kind: str
    title: str
    blocks: tuple[Block, ...]
    pages: int | None = None


@dataclass(frozen=True, slots=True)
class Limits:
    """What is too large: bytes of the file, bytes of a packed file unpacked and of the XML in it, pages or slides,
    characters of text, paragraphs and headings and tables together, cells of its tables, columns of a table."""

    size: int = 50 * 2**20
    unpacked: int = 400 * 2**20
    xml: int = 96 * 2**20
    pages: int = 5_000
    characters: int = 20_000_000
    blocks: int = 300_000
    cells: int = 2_000_000
    columns: int = 2_000


def clean(text: str) -> str:
    """The text in Unicode's composed form, without control characters, with single spaces and blank lines."""
    if not text.isascii():
        text = unicodedata.normalize("NFC", text)
    text = text.replace("\r\n", "\n").replace("\r", "\n").replace("\x0b", "\n").replace("\x0c", "\n")
    lines = _SPACES.sub(" ", _DROPPED.sub("", text)).split("\n")
    return re.sub(r"\n{3,}", "\n\n", "\n".join(line.strip() for line in lines)).strip()


def line(text: str) -> str:
    """The text in one line."""
    return " ".join(clean(text).split())


class Reading:
    """Collects a file's blocks. Raises Unreadable `too_large` when its text or tables pass the limits."""

    def __init__(self, limits: Limits) -> None:
        self.limits = limits
        self.blocks: list[Block] = []
        self._characters = self._cells = 0

    def heading(self, text: str, level: int, page: int | None = None) -> None:
        """A heading; one without text ends the sections before it."""
        self._add(Heading(self._count(line(text)), max(1, level), page))

    def paragraph(self, text: str, page: int | None = None) -> None:
        """A paragraph, if it has text."""
        if text := self._count(clean(text)):
            self._add(Paragraph(text, page))

    def row(self, cells: list[str]) -> str:
        """A table's row as a line, empty if all cells are."""
        self.cells(len(cells))
        if len(cells) > self.limits.columns:
            raise Unreadable("too_large", f"A table has more than {self.limits.columns} columns.")
        while cells and not cells[-1].strip():
            cells.pop()
        return self._count(" | ".join(line(cell) for cell in cells))

    def cells(self, many: int) -> None:
        """Counts cells that were read, empty ones too."""
        self._cells += many
        if self._cells > self.limits.cells:
            raise Unreadable("too_large", f"The file has more than {self.limits.cells} table cells.")

    def table(self, rows: list[str], page: int | None = None) -> None:
        """A table of lines that `row` made; the first is its header, a single one is a paragraph."""
        rows = [row for row in rows if row]
        if len(rows) == 1:
            self._add(Paragraph(rows[0].strip(" |"), page))
        elif rows:
            self._add(Table(rows[0], tuple(rows[1:]), page))

    def done(self, kind: str, title: str = "", pages: int | None = None) -> Parsed:
        """What was collected; its first heading is the title of a file that has none, unless that is a sheet's name.
        Raises Unreadable `empty` if there is no text."""
        headings = [block.text for block in self.blocks if isinstance(block, Heading) and block.text]
        if not headings and all(isinstance(block, Heading) for block in self.blocks):
            raise Unreadable("empty", "The file has no text.")
        first = "" if kind == "xlsx" else next(iter(headings), "")
        return Parsed(kind, (line(title) or first)[:500], tuple(self.blocks), pages)

    def _add(self, block: Block) -> None:
        self.blocks.append(block)
        if len(self.blocks) > self.limits.blocks:
            raise Unreadable("too_large", f"The file has more than {self.limits.blocks} paragraphs and headings.")

    def _count(self, text: str) -> str:
        self._characters += len(text)
        if self._characters > self.limits.characters:
            raise Unreadable("too_large", f"The file has more than {self.limits.characters} characters of text.")
        return text
