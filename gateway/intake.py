"""How much of request bodies a process reads and parses at once."""

from __future__ import annotations

import asyncio

from gateway.answers import Problem

AT_ONCE = 64 * 1024 * 1024  # bytes
PATIENCE = 5.0  # seconds that a body waits for room
RETRY = 10  # seconds after which to come back


class Intake:
    """Room for bodies. One for a process, used on one event loop."""

    def __init__(self, at_once: int = AT_ONCE, patience: float = PATIENCE) -> None:
        self._free, self._patience = at_once, patience
        self._freed = asyncio.Event()
        self._waiting = 0

    def room(self, size: int) -> _Room:
        """Room for so many bytes while the block lasts. Raises Problem (503) when there is none for too long."""
        return _Room(self, size)

    async def take(self, size: int) -> None:
        """Take room, as soon as there is some. Raises Problem (503)."""
        if self._free < size:
            await self._wait(size)
        self._free -= size

    def give(self, size: int) -> None:
        """Give it back."""
        self._free += size
        if self._waiting:
            self._freed.set()
            self._freed = asyncio.Event()

    async def _wait(self, size: int) -> None:
        self._waiting += 1
        try:
            async with asyncio.timeout(self._patience):
                while self._free < size:
                    await self._freed.wait()
        except TimeoutError:
            told = {"Retry-After": str(RETRY), "Connection": "close"}  # the body is not read
            raise Problem(503, "Too many large requests are being read. Try again in a few seconds.", told) from None
        finally:
            self._waiting -= 1


class _Room:
    def __init__(self, intake: Intake, size: int) -> None:
        self._intake, self._size = intake, size

    async def __aenter__(self) -> None:
        await self._intake.take(self._size)

    async def __aexit__(self, *fault: object) -> None:
        self._intake.give(self._size)
