"""Files that cannot be read: each ends with one code and one sentence."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from rag_service.errors import Unreadable
from rag_service.parsing.parse import parse
from rag_service.parsing.parsed import Limits
from tests.rag_service.parsing import offices
from tests.rag_service.parsing.pdfs import pdf

LAUGHS = (
    b'<?xml version="1.0"?><!DOCTYPE l [<!ENTITY a "ha">'
    + b"".join(b'<!ENTITY %c "%s">' % (98 + n, b"&%c;" % (97 + n) * 10) for n in range(12))
    + b"]><l>&m;</l>"
)
WORD = "http://schemas.openxmlformats.org/wordprocessingml/2006/main"


SPANNED = (
    '<w:tbl><w:tr><w:tc><w:tcPr><w:gridSpan w:val="1000000000"/></w:tcPr>'
    "<w:p><w:r><w:t>x</w:t></w:r></w:p></w:tc></w:tr></w:tbl>"
)


def put(member: str, data: bytes) -> bytes:
    """A DOCX with something else as one of its members."""
    return offices.packed({member: data}, offices.docx())


def document(body: str) -> bytes:
    """A DOCX with this XML as its body."""
    return put("word/document.xml", f'<w:document xmlns:w="{WORD}"><w:body>{body}</w:body></w:document>'.encode())


def locked(data: bytes) -> bytes:
    """The archive with the flag of encryption in each of its entries."""
    return data.replace(b"PK\x01\x02\x14\x03\x14\x00\x00", b"PK\x01\x02\x14\x03\x14\x00\x01")


#: Name, the bytes, the code, words of the sentence.
FAULTS: dict[str, tuple[str, Callable[[], bytes], str, str]] = {
    "nothing": ("a.txt", lambda: b"", "empty", "empty"),
    "blank": ("a.txt", lambda: b" \n\t\r\n", "empty", "empty"),
    "a-mark-only": ("a.txt", lambda: b"\xef\xbb\xbf", "empty", "no text"),
    "zeros": ("a.bin", lambda: bytes(5000), "empty", "empty"),
    "empty-html": ("a.html", lambda: b"<html><script>x()</script></html>", "empty", "no text"),
    "empty-docx": ("a.docx", lambda: document(""), "empty", "no text"),
    "empty-pdf": ("a.pdf", lambda: pdf([""]), "empty", "pages are empty"),
    "scanned-pdf": ("a.pdf", lambda: pdf(["", ""], drawing=True), "scanned", "Docling"),
    "image": ("scan.png", lambda: b"\x89PNG\r\n\x1a\n" + bytes(50), "scanned", "Docling"),
    "image-as-pdf": ("scan.pdf", lambda: b"\xff\xd8\xff\xe0" + bytes(50), "scanned", "Docling"),
    "locked-pdf": ("a.pdf", lambda: pdf(["secret"], encrypt=True), "encrypted", "password"),
    "locked-docx": ("a.docx", lambda: b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + "EncryptedPackage".encode("utf-16-le"),
                    "encrypted", "password"),
    "locked-archive": ("a.docx", lambda: locked(offices.docx()), "encrypted", "password"),
    "old-word": ("a.doc", lambda: b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(99), "unknown_type", "save it as DOCX"),
    "program": ("a.txt", lambda: b"\x7fELF\x02\x01" + bytes(99), "unknown_type", "a program"),
    "binary": ("a.txt", lambda: bytes(range(256)) * 9, "unknown_type", "no text"),
    "archive": ("a.zip", lambda: offices.packed({"a.txt": b"x"}), "unknown_type", "archive"),
    "open-document": ("a.odt", lambda: offices.packed({"content.xml": b"<x/>"}), "unknown_type", "archive"),
    "rtf": ("a.rtf", lambda: b"{\\rtf1 x}", "unknown_type", "RTF"),
    "cut-pdf": ("a.pdf", lambda: pdf(["hello"])[:300], "broken", "damaged"),
    "cut-docx": ("a.docx", lambda: offices.docx()[:9000], "broken", "damaged"),
    "no-xml": ("a.docx", lambda: put("word/document.xml", b"nonsense"), "broken", "damaged"),
    "no-body": ("a.docx", lambda: put("word/document.xml", b"<x/>"), "broken", "no document"),
    "laughs-in-docx": ("a.docx", lambda: put("word/document.xml", LAUGHS), "broken", "declar"),
    "laughs-in-xlsx": ("a.xlsx", lambda: offices.packed({"xl/sharedStrings.xml": LAUGHS}, offices.xlsx()),
                       "broken", "declaration"),
    "laughs-in-utf-16": ("a.docx", lambda: put("word/a.xml", "<!DOCTYPE x><x/>".encode("utf-16")), "broken", "declar"),
    "bomb-of-text": ("a.docx", lambda: document("x" * (100 << 20)), "too_large", "unpacks"),
    "bomb-of-an-image": ("a.pptx", lambda: offices.packed({"ppt/media/a.png": bytes(500 << 20)}, offices.pptx()),
                         "too_large", "unpacks"),
    "bomb-of-members": ("a.xlsx", lambda: offices.packed({f"xl/{n}": b"" for n in range(20_000)}, offices.xlsx()),
                        "too_large", "parts"),
    "deep-docx": ("a.docx", lambda: document("<w:sdt>" * 50_000), "broken", "damaged"),
    "many-pages": ("a.pdf", lambda: pdf(["x"], copies=100_000), "too_large", "100000 pages"),
    "many-columns": ("a.csv", lambda: b"a," * 1_000_000, "too_large", "2000 columns"),
    "many-cells": ("a.csv", lambda: (b"1," * 1000 + b"\n") * 2001, "too_large", "2000000 table cells"),
    "much-text": ("a.html", lambda: b"<p>some words</p>" * 3_100_000, "too_large", "MB"),
    "many-headings": ("a.md", lambda: b"# h\n" * 300_001, "too_large", "300000 paragraphs and headings"),
    "many-characters": ("a.txt", lambda: b"some words and\n" * 1_500_000, "too_large", "characters"),
}  # fmt: skip


@pytest.mark.parametrize("case", FAULTS)
def test_a_file_that_cannot_be_read_says_why(case: str) -> None:
    """The code is for programs, the sentence for whoever uploaded the file; nothing of a library shows."""
    name, data, code, words = FAULTS[case]
    with pytest.raises(Unreadable) as refused:
        parse(name, data())
    assert refused.value.code == code
    assert words in str(refused.value)
    assert "\n" not in str(refused.value)


def far_away(columns: int, rows: int) -> bytes:
    """A workbook whose sheet has a small file and a huge area."""
    sheet = "".join(
        f'<row r="{row}"><c r="{"XFD" if columns else "A"}{row}"><v>1</v></c></row>' for row in range(1, rows)
    )
    xml = f'<worksheet xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main"><sheetData>{sheet}'
    return offices.packed({"xl/worksheets/sheet1.xml": f"{xml}</sheetData></worksheet>".encode()}, offices.xlsx())


#: What costs a reader more than its size lets one think: it is read, or passes a limit.
HOSTILE: dict[str, tuple[str, Callable[[], bytes], str]] = {
    "laughs-in-xml": ("a.xml", lambda: LAUGHS, "read"),
    "deep-html": ("a.html", lambda: b"<div>" * 300_000 + b"x", "read"),
    "deep-tables": ("a.html", lambda: b"<table><tr><td>" * 50_000 + b"x", "read"),
    "open-comments": ("a.md", lambda: b"<!--" * 500_000, "read"),
    "angles": ("a.html", lambda: b"<" * 2_000_000, "read"),
    "hashes": ("a.md", lambda: b"# " + b"#" * 1_000_000 + b"x", "read"),
    "bars": ("a.md", lambda: b"|-" * 200_000 + b"x\n" + b"|-" * 200_000 + b"x", "read"),
    "quotes": ("a.csv", lambda: b'"' * 2_000_001, "read"),
    "spaces": ("a.txt", lambda: b"x" + b" \t" * 1_000_000 + b"x", "read"),
    "wide-sheet": ("a.xlsx", lambda: far_away(1, 1000), "too_large"),
    "spanned-cell": ("a.docx", lambda: document(SPANNED), "read"),
}  # fmt: skip


@pytest.mark.parametrize("case", HOSTILE)
def test_a_hostile_file_costs_no_more_than_its_limits(case: str) -> None:
    """Each ends; one that took the square of its size would not end within anybody's patience."""
    name, data, end = HOSTILE[case]
    try:
        ended = "read" if parse(name, data()).blocks else "nothing"
    except Unreadable as refused:
        ended = refused.code
    assert ended == end


@pytest.mark.parametrize(
    ("data", "limits", "words"),
    [
        (b"x" * 2_100_000, Limits(size=2 << 20), "2 MB are read"),
        (offices.pptx(), Limits(pages=1), "2 slides"),
        (offices.docx(), Limits(unpacked=1000), "unpacks"),
        (offices.xlsx(), Limits(cells=5), "5 table cells"),
        (pdf(["hello"]), Limits(characters=3), "3 characters"),
    ],
)
def test_the_limits_are_the_callers(data: bytes, limits: Limits, words: str) -> None:
    """A house may read more or less."""
    with pytest.raises(Unreadable, match=words) as refused:
        parse("a", data, limits=limits)
    assert refused.value.code == "too_large"
