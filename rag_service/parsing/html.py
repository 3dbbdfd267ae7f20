"""HTML and XML, read as a stream: no tree is built, so that depth and size cost little."""

from __future__ import annotations

import re

from lxml import etree

from rag_service.parsing.parsed import Reading, clean

_SILENT = frozenset(
    ("script", "style", "template", "noscript", "svg", "math", "iframe", "object", "select", "nav", "head")
)
_BLOCKS = frozenset((
    "address", "article", "aside", "blockquote", "body", "caption", "dd", "details", "div", "dl", "dt", "fieldset",
    "figcaption", "figure", "footer", "form", "header", "hr", "html", "li", "main", "ol", "p", "pre", "section", "summary",
    "table", "tbody", "tfoot", "thead", "tr", "ul",
))  # fmt: skip
_HEADING = re.compile(r"h[1-6]$")
_PART = 1 << 16


class _Page:
    """Called by the parser for each tag; hands paragraphs, headings and tables to the reading."""

    def __init__(self, reading: Reading) -> None:
        self.reading = reading
        self.title = ""
        self._words: list[str] = []
        self._silent = self._tables = self._pre = 0
        self._in_title = False
        self._rows: list[str] = []
        self._cells: list[str] | None = None

    def start(self, tag: str, attributes: dict[str, str]) -> None:
        if tag == "title" and not self.title:
            self._in_title = True
        elif tag == "body":
            self._silent = 0
        elif tag in _SILENT:
            self._silent += 1
        elif self._silent:
            return
        elif tag == "br":
            self._words.append("\n")
        elif tag == "img" and attributes.get("alt"):
            self._words.append(f" {attributes['alt']} ")
        elif tag == "table":
            self._flush()
            self._tables += 1
        elif self._tables:
            self._in_table(tag)
        elif tag in _BLOCKS or _HEADING.match(tag):
            self._flush()
            self._pre += tag == "pre"
            if tag == "li":
                self._words.append("- ")

    def end(self, tag: str) -> None:
        if tag == "title":
            self._in_title = False
        elif tag in _SILENT:
            self._silent = max(0, self._silent - 1)
        elif self._silent:
            return
        elif tag == "table":
            self._end_row()
            self._tables = max(0, self._tables - 1)
            if not self._tables:
                self.reading.table(self._rows)
                self._rows = []
        elif self._tables:
            self._in_table(f"/{tag}")
        elif _HEADING.match(tag):
            if words := self._taken().strip():
                self.reading.heading(words, int(tag[1]))
        elif tag in _BLOCKS:
            self._flush()
            self._pre -= tag == "pre" and self._pre > 0

    def data(self, words: str) -> None:
        if self._in_title:
            self.title = (self.title + words)[:1000]
        elif not self._silent:
            # Line breaks in the source mean nothing, except in <pre>.
            self._words.append(words if self._pre else re.sub(r"\s+", " ", words))

    def comment(self, words: str) -> None:
        """Dropped."""

    def pi(self, target: str, words: str | None = None) -> None:
        """Dropped."""

    def close(self) -> None:
        self._end_row()
        self.reading.table(self._rows)
        self._flush()

    def _in_table(self, tag: str) -> None:
        if tag in ("tr", "/tr"):
            self._end_row()
        elif tag in ("td", "th"):
            self._end_cell()
        elif tag.removeprefix("/") in _BLOCKS:
            self._words.append(" ")

    def _end_cell(self) -> None:
        words = self._taken()
        if self._cells is None:
            self._cells = []
            if not words.strip():
                return
        self._cells.append(words)

    def _end_row(self) -> None:
        if self._cells is not None or "".join(self._words).strip():
            self._end_cell()
            self._rows.append(self.reading.row(self._cells or []))
        self._cells = None

    def _flush(self) -> None:
        words = self._taken()
        if clean(words) not in ("", "-"):
            self.reading.paragraph(words)

    def _taken(self) -> str:
        words = "".join(self._words)
        self._words.clear()
        return words


def read(text: str, reading: Reading) -> str:
    """The blocks, without scripts, styles, comments and menus; the title of its head."""
    page = _Page(reading)
    parser = etree.HTMLParser(target=page, encoding="utf-8", huge_tree=True)
    data = text.replace("\0", "").encode("utf-8", "replace")
    for start in range(0, len(data), _PART):
        parser.feed(data[start : start + _PART])
    parser.close()
    return page.title
