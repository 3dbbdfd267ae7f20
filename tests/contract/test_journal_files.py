"""Journals on a real disk: durable, bounded, locked by the living, found when their engine is dead."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest

from maitre.billing.journal_jsonl import CHUNK, FileJournal, FileJournals
from maitre.errors import StoreDown

pytestmark = pytest.mark.contract
ROOT = Path(__file__).parent.parent.parent


@pytest.fixture
async def journals(tmp_path: Path) -> AsyncIterator[Callable[..., FileJournals]]:
    """Makes an engine's journals in one folder."""
    made: list[FileJournals] = []

    def make(engine: str, limit: int = 10_000_000) -> FileJournals:
        made.append(FileJournals(tmp_path / "journal", engine, limit=limit))
        return made[-1]

    yield make
    for one in made:
        await one.close()


async def whole(journal: FileJournal) -> bytes:
    """All that is in it."""
    data = b""
    while part := await journal.read():
        data += part
        journal.passed(len(part))
    return data


Make = Callable[..., FileJournals]


async def test_a_journal_is_there_when_it_is_needed_and_no_longer(journals: Make, tmp_path: Path) -> None:
    """No file before the first line; then one that only we may read, in a folder that only we may enter; none after."""
    own, folder = journals("a").own, tmp_path / "journal"
    assert await whole(own) == b""
    assert await own.remove()
    assert not folder.exists()
    await own.append(b"one\n", bounded=True)
    file = folder / "a.jsonl"
    assert [path.name for path in folder.iterdir()] == ["a.jsonl"]
    assert (file.stat().st_mode & 0o777, folder.stat().st_mode & 0o777) == (0o600, 0o700)
    assert file.read_bytes() == b"one\n"
    assert not await own.remove(), "nobody has read it"
    assert await whole(own) == b"one\n"
    await own.append(b"two\n", bounded=True)
    assert not await own.remove(), "nobody has read all of it"
    assert await whole(own) == b"two\n"
    assert await own.remove()
    assert list(folder.iterdir()) == []
    await own.append(b"three\n", bounded=True)
    assert await whole(own) == b"three\n"


async def test_appends_at_once_share_their_writes(
    journals: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A hundred lines are on the disk in their order after a handful of fsyncs."""
    own, real = journals("a").own, os.fsync
    synced: list[int] = []

    def fsync(file: int) -> None:
        synced.append(file)
        real(file)

    monkeypatch.setattr(os, "fsync", fsync)
    await asyncio.gather(*(own.append(b"%d\n" % number, bounded=True) for number in range(100)))
    assert (tmp_path / "journal" / "a.jsonl").read_bytes() == b"".join(b"%d\n" % number for number in range(100))
    assert len(synced) < 10


async def test_a_long_journal_is_read_in_whole_lines(journals: Make) -> None:
    """Also when a line is longer than what is read at once."""
    own = journals("a").own
    lines = [b"x" * 700_000 + b"\n", b"y" * (3 * CHUNK) + b"\n", *(b"%d\n" % number for number in range(5000))]
    for line in lines[:2]:
        await own.append(line, bounded=True)
    await asyncio.gather(*(own.append(line, bounded=True) for line in lines[2:]))
    data, parts = b"", 0
    while part := await own.read():
        assert part.endswith(b"\n")
        own.passed(len(part))
        data, parts = data + part, parts + 1
    assert data == b"".join(lines)
    assert parts > 1


async def test_a_full_journal_takes_ends_and_no_beginnings(journals: Make) -> None:
    """Beyond its bound it is closed to what may be refused; what ends a call that it has is still written."""
    own = journals("a", limit=10).own
    await own.append(b"12345\n", bounded=True)
    answers = await asyncio.gather(
        own.append(b"67890\n", bounded=True), own.append(b"123\n", bounded=True), return_exceptions=True
    )
    assert isinstance(answers[0], StoreDown)
    assert "is full" in str(answers[0])
    assert answers[1] is None
    with pytest.raises(StoreDown):
        await own.append(b"\n", bounded=True)
    await own.append(b"end\n", bounded=False)
    assert await whole(own) == b"12345\n123\nend\n"


@pytest.mark.parametrize("place", ["no-house/journal", "file/journal", "file"])
async def test_without_a_place_it_is_closed(tmp_path: Path, place: str) -> None:
    """A folder that cannot be made, or is none, is a store that is down; reading finds nothing."""
    (tmp_path / "file").write_text("")
    journals = FileJournals(tmp_path / place, "a")
    for _ in range(2):
        with pytest.raises(StoreDown, match="cannot be used"):
            await journals.own.append(b"one\n", bounded=True)
    assert await journals.left_behind() == []
    await journals.close()


async def test_a_write_that_fails_half_way_leaves_nothing(
    journals: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What was not confirmed is not found after a crash; the next write that works follows the last one that did."""
    own, file, real = journals("a").own, tmp_path / "journal" / "a.jsonl", os.write
    await own.append(b"one\n", bounded=True)

    def half(descriptor: int, data: bytes) -> int:
        if len(data) < 10:
            raise OSError(28, "No space left on device")
        return real(descriptor, data[:5])

    monkeypatch.setattr(os, "write", half)
    answers = await asyncio.gather(
        own.append(b"two\n", bounded=True), own.append(b"three, longer\n", bounded=False), return_exceptions=True
    )
    assert [str(answer) for answer in answers] == [f"The journal {file} cannot be used: No space left on device"] * 2
    assert file.read_bytes() == b"one\n"
    monkeypatch.setattr(os, "write", real)
    await own.append(b"four\n", bounded=True)
    assert file.read_bytes() == b"one\nfour\n"


async def test_a_write_that_cannot_be_undone_closes_the_journal_until_it_can(
    journals: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing is written behind a piece of a line."""
    own, real = journals("a").own, os.fsync
    await own.append(b"one\n", bounded=True)

    def fault(*_: object) -> None:
        raise OSError(5, "Input/output error")

    monkeypatch.setattr(os, "fsync", fault)
    with monkeypatch.context() as also:
        also.setattr(os, "ftruncate", fault)
        for _ in range(2):
            with pytest.raises(StoreDown):
                await own.append(b"two\n", bounded=True)
    monkeypatch.setattr(os, "fsync", real)
    await own.append(b"three\n", bounded=True)
    assert (tmp_path / "journal" / "a.jsonl").read_bytes() == b"one\nthree\n"


ON_A_SMALL_DISK = """
import asyncio, resource, sys
from pathlib import Path
from maitre.billing.journal_jsonl import FileJournals
from maitre.errors import StoreDown

async def main():
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))
    journals = FileJournals(Path(sys.argv[1]), "a")
    for number in range(100):
        try:
            await journals.own.append(b"%098d\\n" % number, bounded=True)
            print(number, flush=True)
        except StoreDown as down:
            print(down, file=sys.stderr)
            break
    await journals.own.append(b"end\\n", bounded=False)

asyncio.run(main())
"""


def test_a_disk_that_is_full_confirms_nothing_more(tmp_path: Path) -> None:
    """On a disk of a thousand bytes ten lines are confirmed and there, the eleventh is neither."""
    done = subprocess.run(
        [sys.executable, "-c", ON_A_SMALL_DISK, str(tmp_path / "journal")],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stdout.split() == [str(number) for number in range(10)], done.stderr
    assert "cannot be used: File too large" in done.stderr
    data = (tmp_path / "journal" / "a.jsonl").read_bytes()
    assert data == b"".join(b"%098d\n" % number for number in range(10)) + b"end\n"


async def test_a_journal_is_found_when_its_engine_is_gone_and_not_before(journals: Make, tmp_path: Path) -> None:
    """While an engine lives nobody else gets its journal; afterwards exactly one does, until that one lets go."""
    first, second, third = journals("a"), journals("b"), journals("c")
    await first.own.append(b"one\n", bounded=True)
    assert await first.left_behind() == await second.left_behind() == []
    await first.close()
    (found,) = await second.left_behind()
    assert await third.left_behind() == []
    assert await whole(found) == b"one\n"
    await found.close()
    (again,) = await third.left_behind()
    assert await whole(again) == b"one\n"
    assert await again.remove()
    assert await second.left_behind() == []
    await first.own.append(b"two\n", bounded=True)
    await first.close()
    with pytest.raises(StoreDown, match="File exists"):
        await first.own.append(b"never over what it left behind\n", bounded=True)
    (last,) = await second.left_behind()
    assert await whole(last) == b"two\n"
    assert await last.remove()
    assert list((tmp_path / "journal").iterdir()) == []


ENGINE = """
import asyncio, itertools, sys
from pathlib import Path
from maitre.billing.journal_jsonl import FileJournals

async def guest(own, numbers):
    for number in numbers:
        await own.append(b"%d\\n" % number, bounded=True)
        print(number, flush=True)

async def main():
    own, numbers = FileJournals(Path(sys.argv[1]), sys.argv[2]).own, itertools.count()
    await asyncio.gather(*(guest(own, numbers) for _ in range(8)))

asyncio.run(main())
"""


def engine(folder: Path, name: str) -> subprocess.Popen[str]:
    """A process that writes numbered lines into its journal, and says each that was confirmed."""
    return subprocess.Popen(
        [sys.executable, "-c", ENGINE, str(folder), name], cwd=ROOT, stdout=subprocess.PIPE, text=True
    )


async def test_two_engines_are_killed_and_nothing_that_they_confirmed_is_lost(journals: Make, tmp_path: Path) -> None:
    """Their journals are found at once and have every line that was confirmed, each once."""
    engines = [engine(tmp_path / "journal", name) for name in ("a", "b")]
    try:
        heard = [[next(one.stdout or iter(())) for _ in range(50)] for one in engines]
        assert await journals("c").left_behind() == []
    finally:
        for one in engines:
            one.send_signal(signal.SIGKILL)
    for one, lines in zip(engines, heard, strict=True):
        lines += list(one.stdout or ())
        one.wait()
    found = await journals("d").left_behind()
    for journal, lines in zip(found, heard, strict=True):
        written = (await whole(journal)).decode().split("\n")
        assert len(set(written)) == len(written)
        assert {line.strip() for line in lines if line.endswith("\n")} <= set(written)
        assert await journal.remove()
