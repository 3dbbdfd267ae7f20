"""The child process that reads files: what it may not do to its worker."""

from __future__ import annotations

import asyncio
import io
import os
import signal
import zipfile
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from devstack.process import identify
from rag_service.errors import Unreadable
from rag_service.reader import Reader, ReaderDown
from tests.rag_service.parsing.pdfs import pdf

LARGEST = 5 * 2**20


@pytest.fixture
async def reader() -> AsyncIterator[Reader]:
    """A reader with its usual limits."""
    reader = Reader(LARGEST)
    yield reader
    await reader.close()


def child(reader: Reader) -> int:
    """The pid of the process that reads."""
    process = reader._child
    assert process is not None
    return process.pid


async def test_one_process_reads_many_files(reader: Reader) -> None:
    """Files are read in the order of their pieces, with headings, by a process that stays."""
    found = await reader.read("a.md", b"# One\n\nFirst.\n\n# Two\n\nSecond.", "")
    assert [(piece.text, piece.heading) for piece in found.pieces] == [("First.", "One"), ("Second.", "Two")]
    before = child(reader)
    both = await asyncio.gather(reader.read("b.md", b"# B\n\nb", ""), reader.read("c.md", b"# C\n\nc", ""))
    assert [one.pieces[0].text for one in both] == ["b", "c"]
    assert child(reader) == before


async def test_a_file_that_takes_too_long_is_broken_and_its_process_gone() -> None:
    """A worker never hangs on a file; the next one is read."""
    reader = Reader(LARGEST, seconds=0.001)  # nothing is read in a millisecond
    with pytest.raises(Unreadable, match="could not be read in") as unreadable:
        await reader.read("a.md", b"# One\n\nFirst.", "")
    assert unreadable.value.code == "broken"
    assert reader._child is None
    await reader.close()


async def test_a_process_that_dies_of_a_file_costs_that_file_only(reader: Reader) -> None:
    """A crash inside a library is the file's fault, and is said so."""
    await reader.read("a.md", b"# One\n\nFirst.", "")
    os.kill(child(reader), signal.SIGSTOP)
    reading = asyncio.create_task(reader.read("b.md", b"# Two\n\nSecond.", ""))
    await asyncio.sleep(0)
    os.kill(child(reader), signal.SIGKILL)
    with pytest.raises(Unreadable, match="its reader ended with code -9"):
        await reading
    found = await reader.read("b.md", b"# Two\n\nSecond.", "")
    assert found.pieces[0].text == "Second."


async def test_a_file_that_wants_too_much_memory_is_refused() -> None:
    """What unpacks to more than there is ends with a code and a sentence, and the next file is read."""
    reader = Reader(LARGEST, memory=200 * 2**20)
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("[Content_Types].xml", "<Types/>")
        with archive.open("word/document.xml", "w") as document:
            for _ in range(90):  # less than the parser's own limit
                document.write(b"a" * 2**20)
    with pytest.raises(Unreadable) as unreadable:
        await reader.read("bomb.docx", packed.getvalue(), "")
    assert unreadable.value.code in ("too_large", "broken")
    assert (await reader.read("a.md", b"# One\n\nFirst.", "")).pieces
    await reader.close()


async def test_who_is_cancelled_leaves_no_answer_for_the_next(reader: Reader) -> None:
    """Half an answer of one file is never taken for another's."""
    await reader.read("a.md", b"# One\n\nFirst.", "")
    before = child(reader)
    os.kill(before, signal.SIGSTOP)
    reading = asyncio.create_task(reader.read("b.md", b"# Two\n\nSecond.", ""))
    await asyncio.sleep(0)
    reading.cancel()
    with pytest.raises(asyncio.CancelledError):
        await reading
    assert identify(before) is None
    assert (await reader.read("c.md", b"# Three\n\nThird.", "")).pieces[0].text == "Third."


async def test_the_process_sees_nothing_of_the_house(reader: Reader, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file that takes it over finds no secret in its surroundings."""
    monkeypatch.setenv("MAITRE_SECRET_RAG_KEY", "secret")
    await reader.read("a.md", b"# One\n\nFirst.", "")
    assert b"MAITRE" not in await asyncio.to_thread(Path(f"/proc/{child(reader)}/environ").read_bytes)


async def test_a_docling_that_is_away_is_not_the_files_fault() -> None:
    """Its process says so in a way of its own, and stays."""
    reader = Reader(LARGEST, "http://127.0.0.1:9")
    with pytest.raises(ReaderDown, match="cannot be reached"):
        await reader.read("a.pdf", pdf([""], drawing=True), "application/pdf")
    assert child(reader)
    await reader.close()
