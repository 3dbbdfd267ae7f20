"""What a file is: by its first bytes and its archive's members, then by its name and the type it was sent with."""

from __future__ import annotations

from rag_service.errors import Unreadable
from rag_service.parsing import encoding, packed
from rag_service.parsing.parsed import Limits

#: Kinds that are text, by the end of the name and by media type.
_NAMES = {
    "md": "markdown", "markdown": "markdown", "mdx": "markdown", "html": "html", "htm": "html", "xhtml": "html",
    "xml": "html", "csv": "csv", "tsv": "csv",
}  # fmt: skip
_TYPES = {
    "text/markdown": "markdown", "text/x-markdown": "markdown", "text/html": "html", "application/xhtml+xml": "html",
    "application/xml": "html", "text/xml": "html", "text/csv": "csv", "text/tab-separated-values": "csv",
}  # fmt: skip
_IMAGES = {
    b"\x89PNG\r\n\x1a\n": "image/png", b"\xff\xd8\xff": "image/jpeg", b"GIF8": "image/gif", b"II*\0": "image/tiff",
    b"MM\0*": "image/tiff",
}  # fmt: skip
_OLE = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"
_OTHERS = {
    b"\x7fELF": "a program", b"MZ\x90": "a program", b"\x1f\x8b": "a gzip archive", b"Rar!": "a RAR archive",
    b"7z\xbc\xaf": "a 7-Zip archive", b"BZh": "a bzip2 archive", b"\xfd7zXZ": "an XZ archive",
    b"ID3": "a sound", b"OggS": "a sound", b"SQLite format 3\0": "a database",
}  # fmt: skip
_WRITTEN = {b"{\\rtf": "an RTF file", b"%!PS": "a PostScript file"}
_BLANK = b"\xef\xbb\xbf \t\r\n"
_MARKUP = (b"<!doctype html", b"<html", b"<?xml")
READ = "PDF, DOCX, PPTX, XLSX, HTML, Markdown, CSV and plain text are read"


def kind(name: str, data: bytes, media_type: str, limits: Limits) -> str:
    """pdf, docx, pptx, xlsx, image, html, markdown, csv or text. Raises Unreadable: unknown_type, and whatever can be
    told of a faulty archive."""
    if _pdf(data):
        return "pdf"
    if data.startswith((b"PK\x03\x04", b"PK\x05\x06")):
        return packed.kind(data, limits)
    for start, what in _WRITTEN.items():
        if data.startswith(start):
            raise Unreadable("unknown_type", f"The file is {what}; {READ}.")
    if not encoding.marked(data) and _binary(data):
        return _binary_kind(data)
    if data[:200].lstrip(_BLANK).lower().startswith(_MARKUP):
        return "html"
    ending = name.rpartition(".")[2].lower() if "." in name else ""
    return _NAMES.get(ending) or _TYPES.get(media_type.partition(";")[0].strip().lower(), "text")


def _pdf(data: bytes) -> bool:
    """Readers of PDF allow a kilobyte of anything before it; a text that speaks of PDF has no objects."""
    start = data[:1024]
    return start.lstrip(_BLANK).startswith(b"%PDF-") or (b"%PDF-" in start and b"endobj" in data)


def _binary_kind(data: bytes) -> str:
    if image(data):
        return "image"
    if data.startswith(_OLE):
        if "EncryptedPackage".encode("utf-16-le") in data:
            raise Unreadable("encrypted", "The file is protected by a password; upload it without one.")
        raise Unreadable("unknown_type", "The file has an old Office format; save it as DOCX, PPTX or XLSX.")
    for start, what in _OTHERS.items():
        if data.startswith(start):
            raise Unreadable("unknown_type", f"The file is {what}; {READ}.")
    raise Unreadable("unknown_type", f"The file is no text and of no known type; {READ}.")


def image(data: bytes) -> str:
    """The media type of an image, empty if it is none."""
    if data[:4] == b"RIFF" and data[8:12] == b"WEBP":
        return "image/webp"
    return next((found for start, found in _IMAGES.items() if data.startswith(start)), "")


def _binary(data: bytes) -> bool:
    """Whether there are control characters that no text has, at the beginning, in the middle or at the end."""
    middle = len(data) // 2
    sample = data[:8192] + data[middle : middle + 4096] + data[-4096:]
    controls = sum(byte < 32 and byte not in b"\t\n\x0b\x0c\r\x1a\x1b" for byte in sample)
    return b"\0" in sample or controls * 100 > len(sample)
