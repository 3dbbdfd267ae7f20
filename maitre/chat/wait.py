"""What a guest sees of a wait: a status line in the browser, SSE comments in an API stream."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager, nullcontext
from typing import Protocol

from maitre.chat import sse
from maitre.chat.message import TurnRequest
from maitre.chat.waiting import queue_line, tool_line
from maitre.queue.line import Waiting

#: Seconds after which an API client that waits hears its place again: many give up on a silent connection.
AGAIN = 10.0


class Hearer(Protocol):
    """Who is told: a door's sink."""

    async def emit(self, event: bytes) -> None:
        """Send an event."""

    async def comment(self, text: str) -> None:
        """Send an SSE comment."""


class Wait(Protocol):
    """How a turn's wait is told."""

    async def told(self, waiting: Waiting) -> None:
        """Tell the place and the time."""

    def audible(self) -> AbstractAsyncContextManager[None]:
        """Within, whoever waits is not left without a word for long."""

    async def using(self, tools: Sequence[str]) -> None:
        """Tell which tools the house is using now."""

    async def over(self) -> None:
        """The wait is over, one way or another."""


class Unheard:
    """The wait of a whole answer: there is nothing to tell it by before its headers."""

    def __init__(self, request: TurnRequest) -> None:
        self._notes = request.notes

    async def told(self, waiting: Waiting) -> None:
        _note(self._notes, waiting)

    async def using(self, tools: Sequence[str]) -> None:
        return

    def audible(self) -> AbstractAsyncContextManager[None]:
        return nullcontext()

    async def over(self) -> None:
        return


class WaitAloud:
    """The wait of a stream."""

    def __init__(self, request: TurnRequest, hearer: Hearer, language: str) -> None:
        self._browser = request.door == "browser"
        self._hearer, self._language, self._notes = hearer, language, request.notes
        self._told = False
        self._comment = ""

    async def told(self, waiting: Waiting) -> None:
        self._told = True
        _note(self._notes, waiting)
        if self._browser:
            await self._hearer.emit(_status(queue_line(waiting.position, waiting.eta, self._language), done=False))
        else:
            eta = "" if waiting.eta is None else f" eta={round(waiting.eta)}"
            self._comment = f"queue position={waiting.position}{eta}"
            await self._hearer.comment(self._comment)

    async def using(self, tools: Sequence[str]) -> None:
        if self._browser:
            self._told = True
            await self._hearer.emit(_status(tool_line(tools, self._language), done=False))
        else:
            self._comment = f"tools {', '.join(tools)}"
            await self._hearer.comment(self._comment)

    @asynccontextmanager
    async def audible(self) -> AsyncIterator[None]:
        telling = asyncio.create_task(self._tell_again())
        try:
            yield
        finally:
            telling.cancel()
            self._comment = ""

    async def _tell_again(self) -> None:
        while True:
            await asyncio.sleep(AGAIN)
            if self._comment:
                await self._hearer.comment(self._comment)

    async def over(self) -> None:
        if self._told and self._browser:
            self._told = False
            await self._hearer.emit(_status("", done=True))


def _note(notes: dict[str, str], waiting: Waiting) -> None:
    """The first place that was told goes into the answer's headers."""
    if "X-Queue-Position" not in notes:
        notes["X-Queue-Position"] = str(waiting.position)
        if waiting.eta is not None:
            notes["X-Queue-ETA"] = str(round(waiting.eta))


def _status(description: str, *, done: bool) -> bytes:
    # Open WebUI shows the newest status and keeps it; a hidden one takes it away again.
    data = {"description": description, "done": done} | ({"hidden": True} if done else {})
    return sse.frame({"event": {"type": "status", "data": data}})
