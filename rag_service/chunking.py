"""A parsed file's pieces: small enough for an embedder, each with the headings above it and its page. Pure."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass

from rag_service.chunk import Piece
from rag_service.parsing.parsed import Block, Heading, Paragraph, Parsed, Table

#: Characters of a piece. The tokens of multilingual-e5 have 2.7 (the worst of 80 Russian and Ukrainian documents) to 4
#: characters, 3.3 on average: a piece has 250 to 375 of the 512 tokens that e5 reads, its headings come on top.
SIZE = 1000
#: Characters of the piece before that a piece repeats, at most, within a section.
OVERLAP = 150
_PATH = 200
_SENTENCE = re.compile(r"(?<=[.!?…。！？])[\"'»”’)\]]*\s+|\n+")


@dataclass(frozen=True, slots=True)
class _Unit:
    """What is kept whole: a paragraph, a sentence or some words. `joint` stands between it and the one before."""

    text: str
    page: int | None
    joint: str


def pieces(parsed: Parsed, size: int = SIZE, overlap: int = OVERLAP) -> list[Piece]:
    """The pieces in order, none longer than `size` characters. They end at headings, else between paragraphs, rows,
    sentences, words; only a longer word is cut. A table's pieces repeat its header, all others at most `overlap`
    characters of the piece before. A piece's page is that of its first new text. The same file has the same pieces."""
    if size < 20 or not 0 <= overlap <= size // 2:
        raise ValueError("A piece has at least 20 characters, and at most half of it is an overlap.")
    found: list[Piece] = []
    for path, blocks in _sections(parsed):
        paragraphs: list[Paragraph] = []
        for block in blocks:
            if isinstance(block, Paragraph):
                paragraphs.append(block)
            elif isinstance(block, Table):
                found += _texts(paragraphs, path, size, overlap)
                found += _table(block, path, size)
                paragraphs = []
            elif block.text:  # a heading of an empty section
                found += _texts([Paragraph(block.text, block.page)], path, size, 0)
        found += _texts(paragraphs, path, size, overlap)
    return found


def _sections(parsed: Parsed) -> Iterator[tuple[str, list[Block]]]:
    """The blocks below each heading, with the path of headings; of a heading that has nothing below it, itself."""
    above: list[Heading] = []
    blocks: list[Block] = []
    for number, block in enumerate(parsed.blocks):
        if not isinstance(block, Heading):
            blocks.append(block)
            continue
        if blocks:
            yield _path(above), blocks
            blocks = []
        above = [heading for heading in above if heading.level < block.level]
        if block.text:
            following = parsed.blocks[number + 1] if number + 1 < len(parsed.blocks) else None
            if following is None or (isinstance(following, Heading) and following.level <= block.level):
                yield _path(above), [block]
            above.append(block)
    if blocks:
        yield _path(above), blocks


def _path(above: list[Heading]) -> str:
    """` › ` between; of a long path the nearest headings."""
    parts = [heading.text if len(heading.text) <= _PATH else f"{heading.text[: _PATH - 1]}…" for heading in above]
    while len(parts) > 1 and len(" › ".join(parts)) > _PATH:
        del parts[0]
    return " › ".join(parts)


def _texts(paragraphs: list[Paragraph], path: str, size: int, overlap: int) -> list[Piece]:
    found: list[Piece] = []
    text, page = "", None
    for unit in (unit for paragraph in paragraphs for unit in _units(paragraph, size)):
        if text and len(text) + len(unit.joint) + len(unit.text) > size:
            found.append(Piece(text, path, page))
            tail = _tail(text, min(overlap, size - len(unit.text) - len(unit.joint)))
            text, page = f"{tail}{unit.joint}{unit.text}" if tail else unit.text, unit.page
        elif text:
            text += unit.joint + unit.text
        else:
            text, page = unit.text, unit.page
    return [*found, Piece(text, path, page)] if text else found


def _units(paragraph: Paragraph, size: int) -> Iterator[_Unit]:
    joint = "\n\n"
    if len(paragraph.text) <= size // 2:
        yield _Unit(paragraph.text, paragraph.page, joint)
        return
    for sentence, gap in _sentences(paragraph.text):
        for part in _words(sentence, size):
            yield _Unit(part, paragraph.page, joint)
            joint = " "
        joint = gap


def _sentences(text: str) -> Iterator[tuple[str, str]]:
    """The sentences and lines, each with what parts it from the next one."""
    start = 0
    for end in _SENTENCE.finditer(text):
        marks = end[0].rstrip()
        if sentence := text[start : end.start()] + marks:
            yield sentence, "\n" if "\n" in end[0] else " "
        start = end.end()
    if text[start:]:
        yield text[start:], " "


def _words(text: str, size: int) -> Iterator[str]:
    """The text in parts of at most `size` characters, cut at the last space of each, if it has one."""
    start = 0
    while len(text) - start > size:
        end = text.rfind(" ", start + 1, start + size + 1)
        if end < 0:
            end = start + size
            while end > start + size // 2 and _inside(text, end):
                end -= 1
        yield text[start:end]
        start = end + 1 if text[end] == " " else end
    if text[start:]:
        yield text[start:]


def _inside(text: str, at: int) -> bool:
    """Whether a cut would part a letter from its accent, or a joined emoji."""
    return (
        bool(unicodedata.combining(text[at])) or "\u200d" in text[at - 1 : at + 1] or "\ufe00" <= text[at] <= "\ufe0f"
    )


def _tail(text: str, room: int) -> str:
    """The last sentences that have room, else the last words."""
    if room <= 0:
        return ""
    if len(text) <= room:
        return ""
    end = text[-room:]
    starts = [found.end() for found in _SENTENCE.finditer(text, len(text) - room) if found.end() < len(text)]
    if starts:
        return text[starts[0] :]
    space = end.find(" ")
    return end[space + 1 :] if 0 <= space < room - 1 else ""


def _table(table: Table, path: str, size: int) -> list[Piece]:
    """Rows together, the header before each piece's; a header that takes more than a third is a row like any other."""
    header = table.header if len(table.header) <= size // 3 else ""
    rows = table.rows if header else (table.header, *table.rows)
    found: list[Piece] = []
    text = header
    for row in rows:
        for part in _words(row, size - len(header) - 1):
            if len(text) + 1 + len(part) > size:
                found.append(Piece(text, path, table.page))
                text = header
            text = f"{text}\n{part}" if text else part
    return [*found, Piece(text, path, table.page)] if text else found
