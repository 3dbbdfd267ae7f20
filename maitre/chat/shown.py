"""What a guest was shown of an answer: until its first word another model may still be asked."""

from __future__ import annotations

from typing import Protocol

from maitre.errors import Refusal

#: So many events without a word are kept back at most.
MOST_KEPT = 16


class Sink(Protocol):
    """Where a streamed turn goes: a door's way to its guest."""

    async def emit(self, event: bytes) -> None:
        """Send one event, without its blank line. Waits while the guest's buffer is full."""

    async def comment(self, text: str) -> None:
        """Send an SSE comment while the guest waits, where the door can; else nothing."""

    async def refuse(self, refused: Refusal, text: str) -> None:
        """End the turn with a refusal: as an HTTP status before the first event, else as an error event."""


class Shown:
    """A sink that knows whether the guest was shown anything of an answer; a status line is nothing of it. While it is
    `keeping`, events are kept back: those before the first word may yet be of an answer that nobody sees."""

    def __init__(self, sink: Sink, keeping: bool) -> None:
        self._sink, self.keeping = sink, keeping
        self._kept: list[bytes] = []
        self.anything = False

    async def emit(self, event: bytes) -> None:
        """Send an event, or keep it."""
        if self.keeping:
            self._kept.append(event)
            if len(self._kept) > MOST_KEPT:
                await self.show()
            return
        self.anything = True
        await self._sink.emit(event)

    async def show(self) -> None:
        """Send what was kept, and keep nothing back any longer."""
        self.keeping, kept = False, self._kept
        for event in kept:
            await self.emit(event)

    def forget(self) -> None:
        """What was kept is of an answer that nobody sees."""
        self._kept = []
