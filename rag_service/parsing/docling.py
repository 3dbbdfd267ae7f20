"""Docling's JSON document as blocks. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from rag_service.parsing.parsed import Reading

# What repeats on each page, as Docling labels it.
_FURNITURE = ("page_header", "page_footer")


def read(document: Mapping[str, Any], reading: Reading) -> tuple[str, int | None]:
    """The blocks in reading order, the title, and the number of pages."""
    title = ""
    for item in _items(document):
        page = _page(item)
        label, text = item.get("label"), str(item.get("text") or "")
        if label in _FURNITURE:
            continue
        if isinstance(item.get("data"), Mapping) and "grid" in item["data"]:
            reading.table(
                [reading.row([str(cell.get("text", "")) for cell in row]) for row in item["data"]["grid"]], page
            )
        elif label == "title":
            title = title or text
            reading.heading(text, 1, page)
        elif label == "section_header":
            reading.heading(text, int(item.get("level") or 1), page)
        elif label == "list_item":
            reading.paragraph(f"- {text}" if text else "", page)
        else:
            reading.paragraph(text, page)
    return title, len(document.get("pages") or ()) or None


def _items(document: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    """The items that the body refers to, depth first, each once."""
    waiting, seen = [document.get("body") or {}], set()
    while waiting:
        item = waiting.pop()
        if "self_ref" in item and item.get("self_ref") != "#/body":
            yield item
        children = []
        for child in item.get("children") or ():
            reference = str(child.get("$ref", ""))
            kind, _, index = reference.removeprefix("#/").partition("/")
            items = document.get(kind)
            if reference not in seen and isinstance(items, list) and index.isdecimal() and int(index) < len(items):
                seen.add(reference)
                children.append(items[int(index)])
        waiting.extend(reversed(children))


def _page(item: Mapping[str, Any]) -> int | None:
    places = item.get("prov") or ()
    number = places[0].get("page_no") if places else None
    return number if isinstance(number, int) and number > 0 else None
