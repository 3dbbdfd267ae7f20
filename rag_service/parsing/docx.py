"""DOCX: paragraphs, headings by style or outline level, tables; also in content controls and text boxes."""

from __future__ import annotations

from collections.abc import Iterator
from io import BytesIO
from typing import Any

from docx.opc.constants import RELATIONSHIP_TYPE as RELATION
from docx.opc.package import OpcPackage
from docx.opc.part import Part
from docx.oxml.parser import parse_xml

from rag_service.errors import Unreadable
from rag_service.parsing.parsed import Reading

_W = "{http://schemas.openxmlformats.org/wordprocessingml/2006/main}"
_FALLBACK = "{http://schemas.openxmlformats.org/markup-compatibility/2006}Fallback"
_TITLE = "{http://purl.org/dc/elements/1.1/}title"
_BREAKS = {f"{_W}tab": " ", f"{_W}br": "\n", f"{_W}cr": "\n", f"{_W}noBreakHyphen": "-"}
_THROUGH = {f"{_W}{name}" for name in ("sdt", "sdtContent", "customXml", "ins", "moveTo")}


def read(data: bytes, reading: Reading) -> str:
    """The document's blocks, and the title of its properties. A macro document or a template is read too."""
    package = OpcPackage.open(BytesIO(data))
    document = package.main_document_part
    body = _element(document).find(f"{_W}body")
    if body is None:
        raise Unreadable("broken", "The DOCX file has no document in it.")
    levels = _levels(document)
    for element in _blocks(body):
        if element.tag == f"{_W}p":
            _paragraph(element, levels, reading)
        else:
            rows = [_row(row, reading) for row in element.iter(f"{_W}tr") if _table_of(row) is element]
            reading.table(rows)
    return _title(package)


def _element(part: Part) -> Any:
    # A part that python-docx has a class for is parsed already.
    return part.element if hasattr(part, "element") else parse_xml(part.blob)


def _title(package: OpcPackage) -> str:
    for relation in package.rels.values():
        if relation.reltype == RELATION.CORE_PROPERTIES and not relation.is_external:
            return str(_element(relation.target_part).findtext(_TITLE) or "")
    return ""


def _blocks(body: Any) -> Iterator[Any]:
    waiting = list(reversed(body))
    while waiting:
        element = waiting.pop()
        if element.tag in (f"{_W}p", f"{_W}tbl"):
            yield element
        elif element.tag in _THROUGH:
            waiting.extend(reversed(element))


def _paragraph(element: Any, levels: dict[str, int], reading: Reading) -> None:
    text = _text(element)
    style = element.find(f"{_W}pPr/{_W}pStyle")
    level = _outline(element) or (levels.get(style.get(f"{_W}val"), 0) if style is not None else 0)
    if level and text.strip():
        reading.heading(text, level)
    elif element.find(f"{_W}pPr/{_W}numPr") is not None and text.strip():
        reading.paragraph(f"- {text}")
    else:
        reading.paragraph(text)


def _row(row: Any, reading: Reading) -> str:
    """A cell that spans columns stays one cell: its number of columns is whatever the file claims."""
    cells = [element for element in row.iter(f"{_W}tc") if _row_of(element) is row]
    return reading.row([_text(cell) for cell in cells])


def _table_of(element: Any) -> Any:
    return next(element.iterancestors(f"{_W}tbl"), None)


def _row_of(element: Any) -> Any:
    return next(element.iterancestors(f"{_W}tr"), None)


def _text(element: Any) -> str:
    words: list[str] = []
    hidden = set(element.iter(_FALLBACK))  # the same text box again, for old programs
    for part in element.iter():
        if part.tag == f"{_W}t":
            if not hidden or hidden.isdisjoint(part.iterancestors()):
                words.append(part.text or "")
        elif part.tag in _BREAKS:
            words.append(_BREAKS[part.tag])
        elif part.tag == f"{_W}p" and words:
            words.append("\n")
    return "".join(words)


def _outline(element: Any) -> int:
    level = element.find(f"{_W}pPr/{_W}outlineLvl")
    value = "" if level is None else level.get(f"{_W}val", "")
    return int(value) + 1 if value in tuple("012345678") else 0


def _levels(document: Part) -> dict[str, int]:
    """Heading levels by the style's id, inherited ones too. A built-in style has its English name in any language."""
    relation = next((each for each in document.rels.values() if each.reltype == RELATION.STYLES), None)
    if relation is None or relation.is_external:
        return {}
    levels, above = {}, {}
    for style in _element(relation.target_part).iter(f"{_W}style"):
        key = style.get(f"{_W}styleId", "")
        name, based = style.find(f"{_W}name"), style.find(f"{_W}basedOn")
        words = "" if name is None else name.get(f"{_W}val", "").lower()
        if words == "title":
            levels[key] = 1
        elif words.startswith("heading ") and words[8:] in tuple("123456789"):
            levels[key] = int(words[8:])
        elif level := _outline(style):
            levels[key] = level
        elif based is not None:
            above[key] = based.get(f"{_W}val", "")
    for key in above:
        base = key
        for _ in range(10):
            base = above.get(base, base)
        if base in levels:
            levels[key] = levels[base]
    return levels
