"""Journals as files: one for each engine in a common folder, locked by the engine as long as it lives.

The file is made by the first call that needs it. Appends that arrive while one is written share the next write and
its fsync; the disk is only touched by one thread, so that the loop never waits for it.
"""

from __future__ import annotations

import asyncio
import errno
import fcntl
import os
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TypeVar

from maitre.billing.batch import Batch
from maitre.errors import StoreDown

T = TypeVar("T")

#: Bytes of a journal, beyond which no call is opened in it and none beats.
LIMIT = 64 << 20

#: Bytes that are read at once; a line may be longer.
CHUNK = 1 << 20


class FileJournal:
    """One journal. `descriptor`: the file, open and locked; without it the file is made when it is needed."""

    def __init__(self, path: Path, disk: ThreadPoolExecutor, *, limit: int, descriptor: int | None = None) -> None:
        self._path, self._disk, self._limit = path, disk, limit
        self._file = descriptor
        self.size = 0 if descriptor is None else os.fstat(descriptor).st_size
        self._passed = 0
        self._spoilt = False  # whether a write that failed may have left something behind the end
        self._appends = Batch[tuple[bytes, bool], None](lambda lines: self._on_disk(lambda: self._append(lines)))

    async def append(self, line: bytes, *, bounded: bool) -> None:
        await self._appends.add((line, bounded))

    async def read(self) -> bytes:
        return await self._on_disk(self._read)

    def passed(self, length: int) -> None:
        self._passed += length

    async def put_aside(self, lines: Sequence[bytes]) -> str:
        aside = self._path.with_suffix(".aside")

        def write() -> None:
            file = os.open(aside, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
            try:
                _write(file, b"".join(line.removesuffix(b"\n") + b"\n" for line in lines))
                os.fsync(file)
            finally:
                os.close(file)

        await self._on_disk(write)
        return str(aside)

    async def remove(self) -> bool:
        return await self._on_disk(self._remove)

    async def close(self) -> None:
        await self._on_disk(self._close)

    async def _on_disk(self, work: Callable[[], T]) -> T:
        try:
            return await asyncio.get_running_loop().run_in_executor(self._disk, work)
        except OSError as fault:
            raise StoreDown(f"The journal {self._path} cannot be used: {fault.strerror or fault}") from fault

    def _append(self, lines: Sequence[tuple[bytes, bool]]) -> list[StoreDown | None]:
        answers: list[StoreDown | None] = []
        data = b""
        for line, bounded in lines:
            if bounded and self.size + len(data) + len(line) > self._limit:
                answers.append(StoreDown(f"The journal {self._path} is full."))
            else:
                answers.append(None)
                data += line
        if data:
            self._write(data)
        return answers

    def _write(self, data: bytes) -> None:
        file = self._open()
        if self._spoilt:
            os.ftruncate(file, self.size)
        self._spoilt = True
        try:
            _write(file, data)
            os.fsync(file)
        except OSError:
            # None of these lines is confirmed, so none may be found when this engine dies now.
            os.ftruncate(file, self.size)
            raise
        self.size += len(data)
        self._spoilt = False

    def _open(self) -> int:
        if self._file is None:
            self._path.parent.mkdir(mode=0o700, exist_ok=True)
            # Nobody else may see it before it is locked: it would look like a dead engine's.
            new = self._path.with_suffix(".new")
            file = os.open(new, os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND | os.O_CLOEXEC, 0o600)
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                os.link(new, self._path)  # never over what was left behind
                _sync(self._path.parent)
            except OSError:
                os.close(file)
                raise
            finally:
                new.unlink()
            self._file = file
        return self._file

    def _read(self) -> bytes:
        data = b""
        while self._file is not None and (rest := self.size - self._passed - len(data)) > 0:
            part = os.pread(self._file, min(CHUNK, rest), self._passed + len(data))
            if not part:
                raise OSError(errno.EIO, "somebody else has cut it")
            data += part
            if len(data) < self.size - self._passed and b"\n" in data:
                return data[: data.rindex(b"\n") + 1]
        return data

    def _remove(self) -> bool:
        if self._file is None:
            return True
        if self.size > self._passed:
            return False
        self._path.unlink()
        self._close()
        _sync(self._path.parent)
        return True

    def _close(self) -> None:
        if self._file is not None:
            os.close(self._file)
            self._file, self.size, self._passed, self._spoilt = None, 0, 0, False


class FileJournals:
    """The journals of a folder; `engine` names this engine's own."""

    def __init__(self, folder: Path, engine: str, *, limit: int = LIMIT) -> None:
        self._folder, self._limit = folder, limit
        self._disk = ThreadPoolExecutor(1, thread_name_prefix="journal")
        self._own = folder / f"{engine}.jsonl"
        self.own = FileJournal(self._own, self._disk, limit=limit)

    async def left_behind(self) -> list[FileJournal]:
        try:
            return await asyncio.get_running_loop().run_in_executor(self._disk, self._left_behind)
        except OSError as fault:
            raise StoreDown(f"The journals in {self._folder} cannot be read: {fault.strerror or fault}") from fault

    def _left_behind(self) -> list[FileJournal]:
        found = []
        for path in sorted(self._folder.glob("*.jsonl")):
            if path == self._own:
                continue
            try:
                file = os.open(path, os.O_RDWR | os.O_APPEND | os.O_CLOEXEC)
            except FileNotFoundError:
                continue  # another engine was quicker
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                os.close(file)  # its engine lives, or another one is at it
                continue
            if not path.exists():
                os.close(file)  # another engine has just removed it
                continue
            found.append(FileJournal(path, self._disk, limit=self._limit, descriptor=file))
        return found

    async def close(self) -> None:
        """Leave what is in our journal to the next engine that starts."""
        await self.own.close()


def _write(file: int, data: bytes) -> None:
    while data:
        data = data[os.write(file, data) :]


def _sync(folder: Path) -> None:
    file = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(file)
    finally:
        os.close(file)
