"""Office files as their own libraries write them, and archives that no program writes."""

from __future__ import annotations

import datetime
import zipfile
from collections.abc import Callable, Mapping
from io import BytesIO
from typing import Any

import openpyxl
from docx import Document
from pptx import Presentation
from pptx.util import Inches


def docx() -> bytes:
    """Title, two headings, paragraphs, a list, a table with a nested one."""
    document = Document()
    document.core_properties.title = "Правила готелю"
    document.add_heading("Заїзд", level=1)
    document.add_paragraph("Заїзд з 14:00, виїзд до 12:00.")
    document.add_heading("Ціни", level=2)
    table = document.add_table(rows=2, cols=2)
    for place, words in {(0, 0): "Номер", (0, 1): "Ціна", (1, 0): "Люкс", (1, 1): "5000 грн"}.items():
        table.cell(*place).text = words
    document.add_paragraph("Сніданок включено.", style="List Bullet")
    return _saved(document)


def pptx() -> bytes:
    """A slide with a title and text, one with a table and no title, notes, a group."""
    presentation = Presentation()
    first = presentation.slides.add_slide(presentation.slide_layouts[1])
    first.shapes.title.text = "План на рік"
    first.placeholders[1].text = "Відкрити ресторан"
    first.notes_slide.notes_text_frame.text = "Сказати про дату"
    second = presentation.slides.add_slide(presentation.slide_layouts[6])
    table = second.shapes.add_table(2, 2, Inches(1), Inches(1), Inches(4), Inches(1)).table
    for place, words in {(0, 0): "Місто", (0, 1): "Рік", (1, 0): "Київ", (1, 1): "2027"}.items():
        table.cell(*place).text = words
    box = second.shapes.add_group_shape().shapes.add_textbox(Inches(1), Inches(3), Inches(2), Inches(1))
    box.text_frame.text = "Inside a group"
    return _saved(presentation)


def xlsx() -> bytes:
    """Two sheets with text in them, one without, one cell far away."""
    book = openpyxl.Workbook()
    sheet = book.active
    sheet.title = "Прайс"
    for row in (
        ["Товар", "Цена", "Дата"],
        ["Чай", 12.0, datetime.date(2026, 3, 1)],
        [None, None, None],
        ["Кофе", 7.5, None],
    ):
        sheet.append(row)
    book.create_sheet("Empty")
    book.create_sheet("Far")["C900000"] = "far away"
    return _saved(book)


def packed(members: Mapping[str, bytes], base: bytes | None = None) -> bytes:
    """An archive of the members, in the place of or beside those of another one."""
    kept = dict(members)
    if base is not None:
        with zipfile.ZipFile(BytesIO(base)) as archive:
            kept = {name: archive.read(name) for name in archive.namelist()} | kept
    out = BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in kept.items():
            archive.writestr(name, data)
    return out.getvalue()


def _saved(document: Any) -> bytes:
    out = BytesIO()
    document.save(out)
    return out.getvalue()


def macros() -> bytes:
    """The DOCX as a document with macros."""
    plain = docx()
    with zipfile.ZipFile(BytesIO(plain)) as archive:
        types = archive.read("[Content_Types].xml")
    main = b"application/vnd.openxmlformats-officedocument.wordprocessingml.document.main+xml"
    macro = b"application/vnd.ms-word.document.macroEnabled.main+xml"
    return packed({"[Content_Types].xml": types.replace(main, macro)}, plain)


def changed(data: bytes, change: Callable[[bytes], bytes]) -> bytes:
    """The archive with each of its XML members changed."""
    with zipfile.ZipFile(BytesIO(data)) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    return packed({name: change(part) if name.endswith((".xml", ".rels")) else part for name, part in members.items()})
