"""One turn's events on their way to a client: a sink whose other end is an ASGI response.

Nothing is sent before the first event, so that a refusal until then is a real HTTP status. Events that came within
one turn of the loop leave in one write.
"""

from __future__ import annotations

import asyncio
from collections import deque

from gateway.answers import problem_of, send_problem
from gateway.asgi import Send
from maitre.chat.openai_wire import error_chunk
from maitre.chat.sse import DONE, frame
from maitre.errors import Refusal
from maitre.room import Room, TooSlow

WRITE = 64 * 1024  # bytes after which a write is not made larger: what the server holds is bounded too

_START = {
    "type": "http.response.start",
    "status": 200,
    "headers": [
        (b"content-type", b"text/event-stream; charset=utf-8"),
        (b"cache-control", b"no-cache"),
        (b"x-accel-buffering", b"no"),
    ],
}


class EventStream:
    """The sink of a turn, and the writer of its response; both run on one loop. `model`: the public
    one that a client of OpenAI's asked, for whom errors are; None: Open WebUI."""

    def __init__(self, send: Send, *, model: str | None = None) -> None:
        self._send, self._model = send, model
        self._loop = asyncio.get_running_loop()
        self._room = Room(self._loop)
        self._waiting: deque[bytes] = deque()
        self._news: asyncio.Future[None] | None = None
        self._writer: asyncio.Task[None] | None = None
        self._begun = self._started = self._ended = False
        self._refusal: tuple[Refusal, str] | None = None
        self.cut = False  # whether the client was too slow; then the writer is cancelled

    # ── the turn's side ──

    async def emit(self, event: bytes) -> None:
        """Put one event; wait while the client is too far behind."""
        data = event + b"\n\n"
        if self._room.full_with(len(data)):
            await self._make_room(len(data))
        self._put(data)

    async def refuse(self, refused: Refusal, text: str) -> None:
        """A real HTTP error when nothing was put yet, else an error event."""
        if self._begun:
            await self.emit(self._error(refused, text))
        else:
            self._refusal = refused, text

    async def comment(self, text: str) -> None:
        """A comment, which every client passes over."""
        await self.emit(f": {' '.join(text.split())}".encode())

    async def _make_room(self, size: int) -> None:
        try:
            await self._room.make(size)
        except TooSlow:
            self.cut = True
            if self._writer is not None:
                self._writer.cancel()
            raise

    def _put(self, data: bytes) -> None:
        self._begun = True
        self._waiting.append(data)
        self._room.put(len(data))
        self._tell()

    def end(self) -> None:
        """Nothing more will come."""
        self._waiting.append(DONE + b"\n\n")
        self._ended = True
        self._tell()

    def break_off(self, refused: Refusal, text: str) -> None:
        """Nothing more will come, though more should: the client is told, however full the buffer is."""
        if self._begun:
            self._waiting.append(self._error(refused, text) + b"\n\n")
        else:
            self._refusal = refused, text
        self.end()

    def _error(self, refused: Refusal, text: str) -> bytes:
        if self._model is not None:
            return frame({"error": problem_of(refused, text, self._model).error(public=True)})
        return error_chunk(refused, text)

    def _tell(self) -> None:
        if self._news is not None and not self._news.done():
            self._news.set_result(None)

    # ── the response's side ──

    async def write(self) -> None:
        """Send everything until the end, as it comes."""
        self._writer = asyncio.current_task()
        more = True
        while more:
            while not self._waiting:
                self._news = self._loop.create_future()
                await self._news
            if self._refusal is not None:
                await send_problem(self._send, problem_of(*self._refusal, self._model), public=self._model is not None)
                return
            if not self._started:
                self._started = True
                await self._send(dict(_START))
            more = await self._write()

    async def _write(self) -> bool:
        """One write of what waits; whether more will come."""
        data = self._waiting.popleft()
        if self._waiting:
            data = self._join(data)
        more = bool(self._waiting) or not self._ended
        await self._send({"type": "http.response.body", "body": data, "more_body": more})
        self._room.took(len(data))
        self._room.wake()
        return more

    def _join(self, first: bytes) -> bytes:
        """As many of those that wait as fit into one write."""
        data, size = [first], len(first)
        while self._waiting and size + len(self._waiting[0]) <= WRITE:
            data.append(self._waiting.popleft())
            size += len(data[-1])
        return b"".join(data)
