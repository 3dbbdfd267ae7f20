"""Journals in memory: the twin of those on disk, for tests."""

from __future__ import annotations

from collections.abc import Sequence

from maitre.errors import StoreDown


class MemoryJournal:
    """Lines in memory. `broken`: nothing can be written."""

    def __init__(self) -> None:
        self.data = b""
        self.aside: list[bytes] = []
        self.broken = False
        self._passed = 0

    @property
    def size(self) -> int:
        return len(self.data)

    async def append(self, line: bytes, *, bounded: bool) -> None:
        if self.broken:
            raise StoreDown("The journal cannot be used.")
        self.data += line

    async def read(self) -> bytes:
        return self.data[self._passed :]

    def passed(self, length: int) -> None:
        self._passed += length

    async def put_aside(self, lines: Sequence[bytes]) -> str:
        self.aside += lines
        return "memory"

    async def remove(self) -> bool:
        if len(self.data) > self._passed:
            return False
        self.data, self._passed = b"", 0
        return True

    async def close(self) -> None:
        self._passed = 0


class MemoryJournals:
    """One engine's journal, and those that `dead` engines left."""

    def __init__(self, *dead: MemoryJournal) -> None:
        self.own = MemoryJournal()
        self.dead = list(dead)

    async def left_behind(self) -> list[MemoryJournal]:
        return [journal for journal in self.dead if journal.data]
