"""HTTP/1.1 on a raw asyncio protocol: one connection, its requests one by one, its answers as bytes."""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import cast

import httptools


@dataclass(slots=True)
class Request:
    """One request, whole."""

    method: str
    path: str
    query: str
    headers: dict[str, str]
    body: bytes


@dataclass(slots=True)
class _Incoming:
    url: bytes = b""
    headers: dict[str, str] = field(default_factory=dict)
    body: list[bytes] = field(default_factory=list)


class ClientGone(Exception):
    """The client closed the connection before the answer was whole."""


class Connection(asyncio.Protocol):
    """One client's connection. `serve` answers each request through `send`, `stream`, `write` and `end`."""

    def __init__(self, serve: Callable[[Connection, Request], Awaitable[None]], opened: set[Connection]) -> None:
        self._serve = serve
        self._opened = opened
        self._parser = httptools.HttpRequestParser(self)
        self._incoming = _Incoming()
        self._waiting: deque[Request] = deque()
        self._task: asyncio.Task[None] | None = None
        self._writable = asyncio.Event()
        self._writable.set()
        self._transport: asyncio.Transport | None = None
        self.wrote_at = 0.0  # Unix time, just before anything was last written

    # ── asyncio.Protocol ──

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # uvloop's transports are no subclass of asyncio.Transport.
        self._transport = cast(asyncio.Transport, transport)
        self._opened.add(self)

    def data_received(self, data: bytes) -> None:
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserError:
            self.send(400, b'{"error":{"message":"This is not HTTP."}}')
            self.close()

    def connection_lost(self, exc: Exception | None) -> None:
        self._transport = None
        self._opened.discard(self)
        self._writable.set()
        if self._task is not None:
            self._task.cancel()

    def pause_writing(self) -> None:
        self._writable.clear()

    def resume_writing(self) -> None:
        self._writable.set()

    # ── httptools ──

    def on_message_begin(self) -> None:
        self._incoming = _Incoming()

    def on_url(self, url: bytes) -> None:
        self._incoming.url += url

    def on_header(self, name: bytes, value: bytes) -> None:
        self._incoming.headers[name.decode("latin-1").lower()] = value.decode("latin-1")

    def on_body(self, body: bytes) -> None:
        self._incoming.body.append(body)

    def on_message_complete(self) -> None:
        path, _, query = self._incoming.url.decode("latin-1").partition("?")
        method = self._parser.get_method().decode("latin-1")
        self._waiting.append(Request(method, path, query, self._incoming.headers, b"".join(self._incoming.body)))
        if self._task is None:
            self._task = asyncio.get_running_loop().create_task(self._work())

    async def _work(self) -> None:
        try:
            while self._waiting:
                request = self._waiting.popleft()
                await self._serve(self, request)
                if request.headers.get("connection", "").lower() == "close":
                    self.close()
        except ClientGone:
            return
        finally:
            self._task = None

    # ── answering ──

    @property
    def gone(self) -> bool:
        """Whether nobody reads any more."""
        return self._transport is None or self._transport.is_closing()

    def send(self, status: int, body: bytes, headers: str = "", content_type: str = "application/json") -> None:
        """A whole answer. `headers`: further lines, each ending in CR LF."""
        self._head(status, f"Content-Type: {content_type}\r\nContent-Length: {len(body)}\r\n{headers}")
        self._write(body)

    def send_half(self, body: bytes) -> None:
        """Half of an answer, then the end of the connection."""
        self._head(200, f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n")
        self._write(body[: len(body) // 2])
        self.close()

    def stream(self) -> None:
        """Begin a chunked event stream."""
        self._head(
            200,
            "Content-Type: text/event-stream\r\nCache-Control: no-cache\r\nTransfer-Encoding: chunked\r\n",
        )

    async def write(self, data: bytes, chunk_bytes: int | None = None) -> None:
        """One piece of a stream as one HTTP chunk, or in small chunks. Raises ClientGone."""
        for at in range(0, len(data), chunk_bytes or len(data)):
            part = data[at : at + (chunk_bytes or len(data))]
            self._write(b"%x\r\n%b\r\n" % (len(part), part))
            if chunk_bytes:
                await asyncio.sleep(0)
        if not self._writable.is_set():
            await self._writable.wait()

    def end(self) -> None:
        """The end of a stream."""
        self._write(b"0\r\n\r\n")

    def close(self) -> None:
        """Close after what was written is sent."""
        if self._transport is not None:
            self._transport.close()

    def abort(self) -> None:
        """Break the connection now."""
        if self._transport is not None:
            self._transport.abort()

    def _head(self, status: int, lines: str) -> None:
        phrase = HTTPStatus(status).phrase if status in set(HTTPStatus) else "Scripted"
        self._write(f"HTTP/1.1 {status} {phrase}\r\n{lines}\r\n".encode("latin-1"))

    def _write(self, data: bytes) -> None:
        if self._transport is None or self._transport.is_closing():
            raise ClientGone
        self.wrote_at = time.time()
        self._transport.write(data)
