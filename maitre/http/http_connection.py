"""One connection of HTTP/1.1: a request, its answer as it comes, and the next request."""

from __future__ import annotations

import asyncio
from typing import cast

import httptools

#: Bytes of an answer that may wait unread before the socket is not read any more.
MOST_WAITING = 2**18


class Broken(Exception):
    """The connection or what came on it is of no use; the text says why."""


class Connection(asyncio.Protocol):
    """Asks one thing at a time. `free` says whether it may be asked again."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._transport: asyncio.Transport | None = None
        self._waiter: asyncio.Future[None] | None = None
        self._paused = False
        self.free = False
        self.fault: Exception | None = None
        self._begin()

    def _begin(self) -> None:
        self._parser = httptools.HttpResponseParser(self)
        self._pieces: list[bytes] = []
        self._size = 0
        self.status = 0
        self.headers: dict[str, str] = {}
        self._headed = self._whole = False

    # ── the caller's side ──

    def ask(self, request: bytes) -> None:
        """Send a request. Raises Broken."""
        self._begin()
        self.free = False
        if self._transport is None or self._transport.is_closing():
            raise self.fault or Broken("the connection was closed")
        self._transport.write(request)

    async def head(self) -> None:
        """Wait for the status and the headers. Raises Broken."""
        while not self._headed:
            await self._news()

    async def read(self) -> bytes:
        """What has come of the body since, at least one byte; nothing at its end. Raises Broken."""
        while not self._pieces:
            if self._whole:
                return b""
            await self._news()
        data = self._pieces[0] if len(self._pieces) == 1 else b"".join(self._pieces)
        self._pieces.clear()
        self._size = 0
        if self._paused and self._transport is not None:
            self._paused = False
            self._transport.resume_reading()
        return data

    async def _news(self) -> None:
        if self.fault is not None:
            raise self.fault
        self._waiter = self._loop.create_future()
        await self._waiter

    def close(self) -> None:
        """End it now, whatever is still on its way."""
        self.free = False
        if self._transport is not None:
            self._transport.abort()

    # ── the wire's side ──

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """The protocol's first event."""
        self._transport = cast(asyncio.Transport, transport)

    def data_received(self, data: bytes) -> None:
        """Bytes of the answer; on an idle connection, nothing that anybody asked for."""
        if self.free:
            self.close()
            return
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserError as fault:
            self._fail(Broken(f"what came is no HTTP: {fault}"))
            self.close()
        self._wake()
        if self._size > MOST_WAITING and not self._paused and self._transport is not None:
            self._paused = True
            self._transport.pause_reading()

    def connection_lost(self, exc: Exception | None) -> None:
        """The protocol's last event."""
        self._transport, self.free = None, False
        if self._headed and not self._whole and exc is None and not self._bounded:
            self._whole = True  # such a body ends with the connection
        self._fail(Broken(str(exc) if exc else "the server closed the connection"))
        self._wake()

    @property
    def _bounded(self) -> bool:
        return "content-length" in self.headers or "chunked" in self.headers.get("transfer-encoding", "").lower()

    def _fail(self, fault: Exception) -> None:
        self.fault = self.fault or fault

    def _wake(self) -> None:
        if self._waiter is not None:
            if not self._waiter.done():
                self._waiter.set_result(None)
            self._waiter = None

    # ── httptools ──

    def on_header(self, name: bytes, value: bytes) -> None:
        """One header."""
        key, text = name.decode("latin-1").lower(), value.decode("latin-1")
        self.headers[key] = f"{self.headers[key]}, {text}" if key in self.headers else text

    def on_headers_complete(self) -> None:
        """All of them."""
        status = self._parser.get_status_code()
        if status >= 200:
            self.status, self._headed = status, True
        else:
            self.headers.clear()  # an interim answer

    def on_body(self, body: bytes) -> None:
        """A piece of the body."""
        self._pieces.append(body)
        self._size += len(body)

    def on_message_complete(self) -> None:
        """The end of the answer."""
        if self._headed:
            self._whole = True
            self.free = self._parser.should_keep_alive()
