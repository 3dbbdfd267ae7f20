"""CSV and TSV: each row is a line, the first row is the header."""

from __future__ import annotations

import csv

from rag_service.errors import Unreadable
from rag_service.parsing.parsed import Reading

_DELIMITERS = ",;\t|"


def read(text: str, reading: Reading) -> str:
    """The table. Its delimiter is the character that the first lines have equally often, and most often."""
    csv.field_size_limit(reading.limits.characters)
    rows: list[str] = []
    try:
        for row in csv.reader(text.replace("\0", "").splitlines(keepends=True), delimiter=delimiter(text)):
            rows.append(reading.row(row))
    except csv.Error as error:
        raise Unreadable("broken", f"The CSV file is broken: {error}.") from error
    reading.table(rows)
    return ""


def delimiter(text: str) -> str:
    """The character between the columns; a comma if there is only one column."""
    lines = [row for row in text[:20_000].splitlines()[:20] if row.strip()]
    if len(lines) > 1 and len(text) > 20_000:
        lines.pop()

    def sound(mark: str) -> tuple[int, int]:
        counts = [_outside_quotes(row, mark) for row in lines]
        common = max(set(counts), key=counts.count) if counts else 0
        return (counts.count(common) if common else 0, common)

    return max(_DELIMITERS, key=sound)


def _outside_quotes(row: str, mark: str) -> int:
    return sum(part.count(mark) for part in row.split('"')[::2])
