"""The load: streamed chat completions over raw sockets, to loopback only, bounded in number and time.

A client's own parsing must not limit what is measured: bytes are only collected while the streams run.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, cast

import httptools

MOST_STREAMS = 500
HOST = "127.0.0.1"


@dataclass(slots=True)
class Received:
    """One answer. Times are seconds after its request was due."""

    status: int = 0
    pieces: list[bytes] = field(default_factory=list)
    arrivals: list[float] = field(default_factory=list)  # of each piece
    ended: float = 0.0
    whole: bool = False

    @property
    def body(self) -> bytes:
        """The de-chunked bytes."""
        return b"".join(self.pieces)


class _Stream(asyncio.Protocol):
    def __init__(self, request: bytes, due: float, done: asyncio.Future[None]) -> None:
        self.received = Received()
        self._request = request
        self._due = due
        self._done = done
        self._parser = httptools.HttpResponseParser(self)
        self._loop = asyncio.get_running_loop()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        self._transport.write(self._request)

    def data_received(self, data: bytes) -> None:
        self._parser.feed_data(data)

    def on_body(self, data: bytes) -> None:
        self.received.pieces.append(data)
        self.received.arrivals.append(self._loop.time() - self._due)

    def on_message_complete(self) -> None:
        self.received.whole = True
        self._transport.close()

    def connection_lost(self, exc: Exception | None) -> None:
        self.received.status = self._parser.get_status_code()
        self.received.ended = self._loop.time() - self._due
        if not self._done.done():
            self._done.set_result(None)


def request(port: int, body: Mapping[str, Any], key: str) -> bytes:
    """The bytes of one POST /v1/chat/completions."""
    data = json.dumps(body).encode()
    head = (
        f"POST /v1/chat/completions HTTP/1.1\r\nHost: {HOST}:{port}\r\nAuthorization: Bearer {key}\r\n"
        f"Content-Type: application/json\r\nContent-Length: {len(data)}\r\n\r\n"
    )
    return head.encode() + data


async def drive(port: int, requests: Sequence[bytes], spacing: float, within: float) -> list[Received]:
    """Send each request when it is due, `spacing` seconds apart, and read all answers. TimeoutError after
    `within` seconds."""
    if len(requests) > MOST_STREAMS:
        raise ValueError(f"A benchmark runs at most {MOST_STREAMS} streams.")
    loop = asyncio.get_running_loop()
    start = loop.time()

    async def one(index: int, data: bytes) -> Received:
        due = start + index * spacing
        await asyncio.sleep(due - loop.time())
        done: asyncio.Future[None] = loop.create_future()
        _, stream = await loop.create_connection(lambda: _Stream(data, due, done), HOST, port)
        await done
        return stream.received

    async with asyncio.timeout(within):
        return await asyncio.gather(*(one(index, data) for index, data in enumerate(requests)))
