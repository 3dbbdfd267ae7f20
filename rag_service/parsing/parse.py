"""A file's bytes become its text, or one sentence that says why not."""

from __future__ import annotations

from pathlib import PurePath

from rag_service.errors import Unreadable
from rag_service.parsing import csv, docling, docling_http, docx, encoding, html, markdown, pdf, pptx, text, xlsx
from rag_service.parsing import kind as kinds
from rag_service.parsing.docling_http import Docling
from rag_service.parsing.parsed import Limits, Parsed, Reading

_TEXTS = {"text": text.read, "markdown": markdown.read, "html": html.read, "csv": csv.read}
_SCANNED = "The file is an image; connect Docling (`rag: docling:`) to have its text read."


def parse(
    name: str,
    data: bytes,
    media_type: str = "",
    *,
    docling: Docling | None = None,
    limits: Limits | None = None,
) -> Parsed:
    """The text of a file. `name` and `media_type` are hints only; the content decides. PDFs and images go to Docling if
    there is one. For a thread or process without an event loop: it computes for as long as the limits allow.

    Raises Unreadable, or docling_http.DoclingDown (worth another try later), and nothing else."""
    limits = limits or Limits()
    try:
        return _parse(name, data, media_type, docling, limits)
    except (Unreadable, docling_http.DoclingDown):
        raise
    except MemoryError as error:
        raise Unreadable("too_large", "The file needs more memory than there is.") from error
    except Exception as error:
        # The libraries raise whatever a damaged file leads to.
        raise Unreadable("broken", f"The file is damaged and cannot be read ({type(error).__name__}).") from error


def _parse(name: str, data: bytes, media_type: str, server: Docling | None, limits: Limits) -> Parsed:
    if len(data) > limits.size:
        raise Unreadable("too_large", f"The file has {len(data) >> 20} MB; at most {limits.size >> 20} MB are read.")
    if not data.strip(b" \t\r\n\0"):
        raise Unreadable("empty", "The file is empty.")
    kind = kinds.kind(name, data, media_type, limits)
    reading = Reading(limits)
    title, pages = _blocks(kind, data, server, reading)
    parsed = reading.done(kind, title, pages)
    return parsed if parsed.title else Parsed(kind, PurePath(name).stem, parsed.blocks, pages)


def _blocks(kind: str, data: bytes, server: Docling | None, reading: Reading) -> tuple[str, int | None]:
    if kind in ("pdf", "image") and server is not None:
        if kind == "pdf":
            pdf.check(data, reading.limits)
        media_type = "application/pdf" if kind == "pdf" else kinds.image(data)
        name = f"file.{media_type.partition('/')[2]}"
        return docling.read(docling_http.fetch(server, name, data, media_type), reading)
    if kind == "image":
        raise Unreadable("scanned", _SCANNED)
    if kind == "pdf":
        return pdf.read(data, reading)
    if kind == "docx":
        return docx.read(data, reading), None
    if kind == "pptx":
        return pptx.read(data, reading)
    if kind == "xlsx":
        return xlsx.read(data, reading), None
    return _TEXTS[kind](encoding.decode(data), reading), None
