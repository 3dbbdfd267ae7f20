"""How a file's text is cut: nothing lost, nothing too long, headings and pages with each piece."""

from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as some

from rag_service.chunk import Piece
from rag_service.chunking import OVERLAP, SIZE, pieces
from rag_service.parsing.parse import parse
from rag_service.parsing.parsed import Block, Heading, Paragraph, Parsed, Table

SENTENCE = "Кожен гість має право на тишу після десятої вечора. "


def parsed(*blocks: Block) -> Parsed:
    """A file of these blocks."""
    return Parsed("text", "T", blocks)


#: Blocks, size, overlap; the pieces.
CASES: dict[str, tuple[list[Block], int, int, list[Piece]]] = {
    "nothing": ([], 50, 0, []),
    "short-paragraphs-together": ([Paragraph("One."), Paragraph("Two.")], 50, 0, [Piece("One.\n\nTwo.")]),
    "cut-between-paragraphs": ([Paragraph("a" * 20), Paragraph("b" * 20)], 30, 0, [Piece("a" * 20), Piece("b" * 20)]),
    "cut-between-sentences": ([Paragraph("One two three. Four five six. Seven.")], 20, 0, [
        Piece("One two three."), Piece("Four five six."), Piece("Seven."),
    ]),
    "cut-between-words": ([Paragraph("one two three four five six seven")], 20, 0, [
        Piece("one two three four"), Piece("five six seven"),
    ]),
    "a-long-word": ([Paragraph("x" * 45)], 20, 0, [Piece("x" * 20), Piece("x" * 20), Piece("x" * 5)]),
    "accents-stay": ([Paragraph("x" * 19 + "е\u0301" + "y" * 5)], 20, 0, [Piece("x" * 19), Piece("е\u0301yyyyy")]),
    "lines-stay-lines": ([Paragraph("first line\nsecond line\nthird")], 30, 0, [
        Piece("first line\nsecond line\nthird"),
    ]),
    "overlap-by-sentence": ([Paragraph("First here. Second. And then a third one.")], 30, 12, [
        Piece("First here. Second."), Piece("Second. And then a third one."),
    ]),
    "overlap-not-over-headings": ([Heading("A", 1), Paragraph("a b c"), Heading("B", 1), Paragraph("d e f")], 30, 10, [
        Piece("a b c", "A"), Piece("d e f", "B"),
    ]),
    "path-of-headings": (
        [
            Heading("A", 1), Heading("B", 3), Paragraph("x"), Heading("C", 2), Paragraph("y"), Heading("D", 1),
            Paragraph("z"),
        ],
        30, 0, [Piece("x", "A › B"), Piece("y", "A › C"), Piece("z", "D")],
    ),
    "heading-of-nothing": (
        [Heading("A", 1), Heading("B", 2), Heading("C", 1), Paragraph("x"), Heading("E", 1)],
        30, 0, [Piece("B", "A"), Piece("x", "C"), Piece("E")],
    ),
    "heading-without-text": ([Heading("A", 1, 1), Paragraph("x", 1), Heading("", 1, 2), Paragraph("y", 2)], 30, 0, [
        Piece("x", "A", 1), Piece("y", "", 2),
    ]),
    "long-path": ([Heading("A" * 150, 1), Heading("B" * 150, 2), Paragraph("x")], 30, 0, [Piece("x", "B" * 150)]),
    "page-of-the-first-new-text": ([Paragraph("One two three.", 1), Paragraph("Four five six.", 2)], 25, 6, [
        Piece("One two three.", "", 1), Piece("three.\n\nFour five six.", "", 2),
    ]),
    "table": ([Paragraph("p"), Table("N | P", ("tea | 1", "coffee | 2", "milk | 3"), 4), Paragraph("q")], 20, 5, [
        Piece("p"), Piece("N | P\ntea | 1", "", 4), Piece("N | P\ncoffee | 2", "", 4), Piece("N | P\nmilk | 3", "", 4),
        Piece("q"),
    ]),
    "table-with-a-long-header": ([Table("a long header", ("x | y", "1 | 2"))], 20, 0, [
        Piece("a long header\nx | y"), Piece("1 | 2"),
    ]),
    "table-with-a-long-row": ([Table("H", ("one two three four five six",))], 20, 0, [
        Piece("H\none two three four"), Piece("H\nfive six"),
    ]),
}  # fmt: skip


@pytest.mark.parametrize("case", CASES)
def test_pieces_end_where_the_text_does(case: str) -> None:
    """At headings, else between paragraphs, sentences, words."""
    blocks, size, overlap, expected = CASES[case]
    assert pieces(parsed(*blocks), size, overlap) == expected


TEXTS = some.text(alphabet="аб в.\n😀е\u0301x!", min_size=1, max_size=300).map(str.strip).filter(bool)
BLOCKS = some.lists(
    some.one_of(
        some.builds(Paragraph, TEXTS, some.integers(1, 9)),
        some.builds(Heading, TEXTS.map(lambda text: text[:30].strip()), some.integers(1, 4), some.none()),
        some.builds(Table, TEXTS, some.lists(TEXTS, min_size=1, max_size=5).map(tuple), some.none()),
    ),
    max_size=12,
)
SIZES = some.integers(20, 120).flatmap(lambda size: some.tuples(some.just(size), some.integers(0, size // 2)))


def letters(text: str) -> str:
    """The text without what parts its words."""
    return "".join(text.split())


@settings(max_examples=300, deadline=None)
@given(some.lists(some.builds(Paragraph, TEXTS), max_size=6), SIZES)
def test_pieces_cover_a_section_in_order(paragraphs: list[Paragraph], sizes: tuple[int, int]) -> None:
    """Each piece goes on where the last one ended, or repeats at most the overlap; none is longer than the size."""
    size, overlap = sizes
    text = "".join(letters(paragraph.text) for paragraph in paragraphs)
    ends = {0}  # where the text read so far may end: repeated letters leave more than one answer
    for piece in pieces(parsed(*paragraphs), size, overlap):
        assert 0 < len(piece.text) <= size
        words = letters(piece.text)
        starts = {end - back for end in ends for back in range(min(overlap, end, len(words) - 1) + 1)}
        ends = {start + len(words) for start in starts if text.startswith(words, start)}
        assert ends, (piece, text)
    assert len(text) in ends


@settings(max_examples=300, deadline=None)
@given(BLOCKS, SIZES)
def test_pieces_of_any_file_are_bounded_and_lose_no_text(blocks: list[Block], sizes: tuple[int, int]) -> None:
    """Tables and sections in any order; the same file has the same pieces."""
    size, overlap = sizes
    found = pieces(parsed(*blocks), size, overlap)
    assert found == pieces(parsed(*blocks), size, overlap)
    assert all(0 < len(piece.text) <= size for piece in found)
    everything = "".join(piece.text + piece.heading for piece in found)
    assert Counter(letters("".join(map(_text, blocks)))) <= Counter(letters(everything))


def _text(block: Block) -> str:
    return "\n".join((block.header, *block.rows)) if isinstance(block, Table) else block.text


def test_a_document_has_pieces_that_an_embedder_can_take_whole() -> None:
    """Pieces are near the size, and overlap by whole sentences."""
    found = pieces(parse("a.md", f"# Тиша\n\n{SENTENCE * 100}".encode()))
    assert all(SIZE - len(SENTENCE) - OVERLAP < len(piece.text) <= SIZE for piece in found[:-1])
    assert all(piece.text.startswith("Кожен") and piece.heading == "Тиша" for piece in found)


@pytest.mark.parametrize(("size", "overlap"), [(19, 0), (100, 51), (100, -1)])
def test_sizes_that_make_no_pieces_are_refused(size: int, overlap: int) -> None:
    """An overlap as long as the piece would never end."""
    with pytest.raises(ValueError, match="20 characters"):
        pieces(parsed(Paragraph("x")), size, overlap)
