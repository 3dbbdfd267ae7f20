"""XLSX: each sheet is a heading with a table; values as they were last computed."""

from __future__ import annotations

import datetime
from io import BytesIO
from typing import Any

from openpyxl import load_workbook

from rag_service.parsing.parsed import Reading


def read(data: bytes, reading: Reading) -> str:
    """The sheets' blocks, and the title of its properties."""
    book = load_workbook(BytesIO(data), read_only=True, data_only=True, keep_links=False)
    try:
        for sheet in book.worksheets:
            # The size that a sheet claims may be wrong either way.
            sheet.reset_dimensions()
            rows = []
            for values in sheet.iter_rows(values_only=True):
                if any(value is not None for value in values):
                    rows.append(reading.row([shown(value) for value in values]))
                else:
                    reading.cells(max(1, len(values)))
            if any(rows):
                reading.heading(sheet.title, 1)
                reading.table(rows)
        return book.properties.title or ""
    finally:
        book.close()


def shown(value: Any) -> str:
    """A cell's value as a reader sees it."""
    if value is None:
        return ""
    if isinstance(value, float) and value.is_integer() and abs(value) < 1e15:
        return str(int(value))
    if isinstance(value, datetime.datetime):
        return value.isoformat(" ", "minutes") if value.time() != datetime.time() else value.date().isoformat()
    return str(value)
