"""Damaged files of every kind: they end as text or as Unreadable, and as nothing else."""

from __future__ import annotations

import contextlib
import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as some

from rag_service.chunking import pieces
from rag_service.errors import Unreadable
from rag_service.parsing.parse import parse
from tests.rag_service.parsing import offices
from tests.rag_service.parsing.pdfs import pdf
from tests.rag_service.parsing.test_parse import WHOLE

FILES: dict[str, bytes] = {
    "a.docx": offices.docx(),
    "a.pptx": offices.pptx(),
    "a.xlsx": offices.xlsx(),
    "a.pdf": pdf(["Розділ\nтекст", "Глава"], title="Звіт", outline=[("Розділ", 1), ("Глава", 2)]),
    "a.html": WHOLE["html"][1],
    "a.md": WHOLE["markdown"][1],
    "a.csv": WHOLE["csv"][1],
}
ROUNDS = 60


def ends(name: str, data: bytes) -> None:
    """The file is read and cut into pieces that a database takes, or refused with a code."""
    with contextlib.suppress(Unreadable):
        for piece in pieces(parse(name, data)):
            assert piece.text.strip()
            assert "\0" not in f"{piece.text}{piece.heading}".encode().decode()


@pytest.mark.parametrize("name", FILES)
def test_a_cut_file_ends(name: str) -> None:
    """An upload that broke off anywhere."""
    data = FILES[name]
    for part in range(ROUNDS):
        ends(name, data[: len(data) * part // ROUNDS])


@pytest.mark.parametrize("name", FILES)
def test_a_file_with_changed_bytes_ends(name: str) -> None:
    """Bytes flipped in the middle of a file; in an archive mostly its checks find them."""
    chance = random.Random(name)
    for _ in range(ROUNDS):
        data = bytearray(FILES[name])
        for _ in range(chance.randrange(1, 30)):
            data[chance.randrange(len(data))] = chance.randrange(256)
        ends(name, bytes(data))


@pytest.mark.parametrize("name", ["a.docx", "a.pptx", "a.xlsx"])
def test_an_office_file_with_changed_xml_ends(name: str) -> None:
    """A whole archive whose documents were changed: what the archive's checks do not find."""
    chance = random.Random(name)
    for _ in range(ROUNDS):
        ends(name, offices.changed(FILES[name], lambda data: _changed(data, chance)))


def _changed(data: bytes, chance: random.Random) -> bytes:
    """The XML with some of its bytes dropped, doubled or put elsewhere."""
    for _ in range(chance.randrange(3)):
        start = chance.randrange(len(data))
        part = data[start : start + chance.randrange(1, 80)]
        rest = data[:start] + data[start + len(part) :]
        place = chance.randrange(len(rest) + 1)
        data = rest[:place] + part * chance.randrange(3) + rest[place:]
    return data


@settings(max_examples=200, deadline=None)
@given(some.binary(max_size=400), some.sampled_from(["", "a.txt", "a.md", "a.html", "a.csv", "a.pdf", "a.docx"]))
def test_any_bytes_end(data: bytes, name: str) -> None:
    """Whatever somebody uploads."""
    ends(name, data)


@settings(max_examples=200, deadline=None)
@given(
    some.text(alphabet="#|-=`<>!/[]\"'\\;,: \n\tаbpthrdliv1", max_size=400),
    some.sampled_from(["a.md", "a.html", "a.csv"]),
)
def test_any_markup_ends(text: str, name: str) -> None:
    """Marks in any order."""
    ends(name, text.encode())
