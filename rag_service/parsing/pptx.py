"""PPTX: each slide's title is a heading, its number the page; shapes, groups, tables and notes."""

from __future__ import annotations

from collections.abc import Iterator
from io import BytesIO
from typing import Any

from pptx import Presentation
from pptx.shapes.graphfrm import GraphicFrame
from pptx.shapes.group import GroupShape
from pptx.slide import Slide

from rag_service.errors import Unreadable
from rag_service.parsing.parsed import Reading


def read(data: bytes, reading: Reading) -> tuple[str, int]:
    """The slides' blocks, the title of its properties, and the number of slides."""
    presentation = Presentation(BytesIO(data))
    slides = len(presentation.slides)
    if slides > reading.limits.pages:
        raise Unreadable("too_large", f"The presentation has {slides} slides; at most {reading.limits.pages} are read.")
    for number, slide in enumerate(presentation.slides, start=1):
        _slide(slide, number, reading)
    return presentation.core_properties.title or "", slides


def _slide(slide: Slide, number: int, reading: Reading) -> None:
    title = slide.shapes.title
    # A slide without a title does not belong to the slide before it.
    reading.heading(title.text_frame.text if title is not None else "", 1, number)
    for shape in _shapes(slide):
        if title is not None and shape.shape_id == title.shape_id:
            continue
        if isinstance(shape, GraphicFrame):
            if shape.has_table:
                _table(shape, number, reading)
        elif shape.has_text_frame:
            reading.paragraph(shape.text_frame.text, number)
    if slide.has_notes_slide and (notes := slide.notes_slide.notes_text_frame) is not None:
        reading.paragraph(notes.text, number)


def _shapes(slide: Slide) -> Iterator[Any]:
    waiting: list[Any] = list(slide.shapes)[::-1]
    while waiting:
        shape = waiting.pop()
        if isinstance(shape, GroupShape):
            waiting.extend(list(shape.shapes)[::-1])
        else:
            yield shape


def _table(frame: GraphicFrame, number: int, reading: Reading) -> None:
    rows = []
    for row in frame.table.rows:
        rows.append(reading.row([cell.text for cell in row.cells]))
    reading.table(rows, number)
