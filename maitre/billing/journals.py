"""Journals behind a Protocol: files of a house, the in-memory twin in tests."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol


class Journal(Protocol):
    """One engine's lines. Everything raises StoreDown when the disk does not do what it should."""

    @property
    def size(self) -> int:
        """Its length in bytes."""

    async def append(self, line: bytes, *, bounded: bool) -> None:
        """Write the line, durably. A bounded one only while there is room."""

    async def read(self) -> bytes:
        """Some whole lines that were not passed yet, and at the very end what is no whole line; nothing at the end."""

    def passed(self, length: int) -> None:
        """So many bytes of what was read need not be read again."""

    async def put_aside(self, lines: Sequence[bytes]) -> str:
        """Keep lines that nobody understands for a person; where."""

    async def remove(self) -> bool:
        """Remove it, unless there is more to read by now."""

    async def close(self) -> None:
        """Let others have what is left of it."""


class Journals(Protocol):
    """The journals of a house."""

    @property
    def own(self) -> Journal:
        """This engine's."""

    async def left_behind(self) -> Sequence[Journal]:
        """Those of engines that are dead. They are ours until they are removed or closed."""
