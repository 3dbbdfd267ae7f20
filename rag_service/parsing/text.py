"""Plain text."""

from __future__ import annotations

from rag_service.parsing.parsed import Reading


def read(text: str, reading: Reading) -> str:
    """Paragraphs are what blank lines part. A text has no title."""
    for paragraph in split(text):
        reading.paragraph(paragraph)
    return ""


def split(text: str) -> list[str]:
    """The parts between blank lines."""
    parts: list[list[str]] = [[]]
    for row in text.splitlines():
        if row.strip():
            parts[-1].append(row)
        elif parts[-1]:
            parts.append([])
    return ["\n".join(part) for part in parts if part]
