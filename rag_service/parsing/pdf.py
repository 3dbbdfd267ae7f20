"""PDF: the pages' text; headings from the document's outline."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import islice

import pypdfium2 as pdfium
import pypdfium2.raw as raw

from rag_service.errors import Unreadable
from rag_service.parsing.parsed import Limits, Reading, clean, line

_SCANNED = "The PDF has pages but no text, it is perhaps a scan; connect Docling (`rag: docling:`) to have it read."
_ENTRIES = 10_000
# PDFium writes U+FFFE where a word is divided at a line's end (U+0002 in older versions).
_DIVIDED = re.compile("[\ufffe\x02]\r?\n?")
_BULLET = re.compile(r"(?:[-–—•▪◦*·‣]|\d{1,3}[.)])\s")
_ENDS = tuple(".!?…:;")

Outline = dict[int, list[tuple[int, str]]]


def read(data: bytes, reading: Reading) -> tuple[str, int]:
    """The pages' blocks, the title of its properties, and the number of pages. Raises Unreadable: encrypted, broken,
    too_large, scanned, empty."""
    with _opened(data, reading.limits) as document:
        pages = len(document)
        _pages(document, pages, reading)
        return line(document.get_metadata_value("Title")), pages


def check(data: bytes, limits: Limits) -> None:
    """Raises Unreadable if somebody else need not try: encrypted, broken, too_large."""
    with _opened(data, limits):
        return


@contextmanager
def _opened(data: bytes, limits: Limits) -> Iterator[pdfium.PdfDocument]:
    try:
        with pdfium.PdfDocument(data) as document:
            if len(document) > limits.pages:
                raise Unreadable("too_large", f"The PDF has {len(document)} pages; at most {limits.pages} are read.")
            yield document
    except pdfium.PdfiumError as error:
        if error.err_code in (raw.FPDF_ERR_PASSWORD, raw.FPDF_ERR_SECURITY):
            raise Unreadable("encrypted", "The PDF is protected by a password; upload it without one.") from error
        raise Unreadable("broken", "The PDF is damaged; it was perhaps not uploaded completely.") from error


def _pages(document: pdfium.PdfDocument, pages: int, reading: Reading) -> None:
    outline, drawn = _outline(document), False
    for number in range(1, pages + 1):
        page = document[number - 1]
        words = page.get_textpage()
        text = words.get_text_bounded()
        words.close()
        drawn = drawn or next(page.get_objects(max_depth=1), None) is not None
        page.close()
        _page(_DIVIDED.sub("", text), number, outline.get(number, []), reading)
    if not reading.blocks:
        raise Unreadable("scanned", _SCANNED) if drawn else Unreadable("empty", "The PDF's pages are empty.")


def _outline(document: pdfium.PdfDocument) -> Outline:
    found: Outline = defaultdict(list)
    for entry in islice(document.get_toc(max_depth=6), _ENTRIES):
        target = entry.get_dest()
        index = target.get_index() if target is not None else None
        if index is not None and (title := line(entry.get_title())):
            found[index + 1].append((entry.level + 1, title))
    return found


def _page(text: str, number: int, outline: list[tuple[int, str]], reading: Reading) -> None:
    """A heading of the outline stands where its text does; one whose text the page does not have, at the top."""
    lines = clean(text).split("\n")
    names = {_key(row) for row in lines}
    for level, title in outline:
        if _key(title) not in names:
            reading.heading(title, level, number)
    waiting: dict[str, int] = {_key(title): level for level, title in reversed(outline)}
    rows: list[str] = []
    for row in lines:
        if level := waiting.pop(_key(row), 0):
            _flow(rows, number, reading)
            rows = []
            reading.heading(row, level, number)
        else:
            rows.append(row)
    _flow(rows, number, reading)


def _key(text: str) -> str:
    return re.sub(r"\W+", "", text).casefold()


def _flow(rows: list[str], number: int, reading: Reading) -> None:
    for paragraph in paragraphs(rows):
        reading.paragraph(paragraph, number)


def paragraphs(rows: list[str]) -> Iterator[str]:
    """Lines of a page joined into paragraphs: one ends at an empty line, before a list's item, after a line that is
    much shorter than the widest, and after a sentence that ends short of it."""
    widest = max((len(row) for row in rows), default=0)
    waiting: list[str] = []
    for row in rows:
        if waiting and (not row or _BULLET.match(row)):
            yield " ".join(waiting)
            waiting = []
        if row:
            waiting.append(row)
            if len(row) < widest * 0.6 or (row.endswith(_ENDS) and len(row) < widest * 0.85):
                yield " ".join(waiting)
                waiting = []
    if waiting:
        yield " ".join(waiting)
