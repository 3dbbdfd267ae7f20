"""How much of a stream waits for its reader: bounded, and not for ever.

While the buffer is full the turn waits and the upstream is not read. A reader who has not made room within SLOW
seconds is cut: the turn's task ends as cancelled, and what was relayed is settled.
"""

from __future__ import annotations

import asyncio

BUFFER = 1024 * 1024  # bytes that may wait for a reader; a single larger event waits alone
SLOW = 10.0  # seconds within which a reader must make room


class TooSlow(asyncio.CancelledError):
    """The reader made no room in time; the turn ends as if it was cancelled."""


class Room:
    """The bytes between a turn and its reader. `took` may be called on any thread, all else on the loop."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        # Each number has one writer: the turn counts what went in, the reader what came out.
        self._put = self._taken = 0
        self._free: asyncio.Future[None] | None = None

    @property
    def behind(self) -> int:
        """Bytes that wait for the reader."""
        return self._put - self._taken

    @property
    def awaited(self) -> bool:
        """Whether the turn waits for room: then `wake` must follow `took`."""
        return self._free is not None

    def full_with(self, size: int) -> bool:
        """Whether so many more bytes are too many."""
        return self.behind > 0 and self.behind + size > BUFFER

    def put(self, size: int) -> None:
        """So many bytes wait now."""
        self._put += size

    def took(self, size: int) -> None:
        """So many bytes have left for the reader."""
        self._taken += size

    def wake(self) -> None:
        """Let the turn look again."""
        if self._free is not None and not self._free.done():
            self._free.set_result(None)

    async def make(self, size: int) -> None:
        """Wait until so many more bytes may wait: half of the buffer is free again, or all of it for a large event.
        Raises TooSlow when the reader does not come in time."""
        if not self.full_with(size):
            return
        enough = max(0, min(BUFFER // 2, BUFFER - size))
        try:
            async with asyncio.timeout(SLOW):
                while self.behind > enough:
                    self._free = self._loop.create_future()
                    if self.behind > enough:  # the reader may have come before it could see that it is awaited
                        await self._free
        except TimeoutError:
            raise TooSlow from None
        finally:
            self._free = None
