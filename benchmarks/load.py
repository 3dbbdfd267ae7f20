"""The load: streamed chat completions over raw sockets, to loopback only, bounded in number and time.

A client's own parsing must not limit what is measured: bytes are only collected while the streams run.
"""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, cast

import httptools

MOST_STREAMS = 500
HOST = "127.0.0.1"


@dataclass(slots=True)
class Received:
    """One answer. Times are seconds after its request was due."""

    due: float  # seconds of the machine's monotonic clock
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
        self.received = Received(due)
        self._request = request
        self._done = done
        self._parser = httptools.HttpResponseParser(self)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        self._transport.write(self._request)

    def data_received(self, data: bytes) -> None:
        self._parser.feed_data(data)

    def on_body(self, data: bytes) -> None:
        self.received.pieces.append(data)
        self.received.arrivals.append(time.monotonic() - self.received.due)

    def on_message_complete(self) -> None:
        self.received.whole = True
        self._transport.close()

    def connection_lost(self, exc: Exception | None) -> None:
        self.received.status = self._parser.get_status_code()
        self.received.ended = time.monotonic() - self.received.due
        if not self._done.done():
            self._done.set_result(None)


def request(port: int, body: Mapping[str, Any], headers: Mapping[str, str]) -> bytes:
    """The bytes of one POST /v1/chat/completions."""
    data = json.dumps(body).encode()
    told = {"Host": f"{HOST}:{port}", "Content-Type": "application/json", "Content-Length": len(data), **headers}
    head = "".join(f"{name}: {value}\r\n" for name, value in told.items())
    return f"POST /v1/chat/completions HTTP/1.1\r\n{head}\r\n".encode() + data


async def drive(port: int, requests: Sequence[bytes], spacing: float, within: float) -> list[Received]:
    """Send each request when it is due, `spacing` seconds apart, and read all answers. TimeoutError after
    `within` seconds."""
    if len(requests) > MOST_STREAMS:
        raise ValueError(f"A benchmark runs at most {MOST_STREAMS} streams.")
    loop = asyncio.get_running_loop()
    start = time.monotonic()

    async def one(index: int, data: bytes) -> Received:
        due = start + index * spacing
        await asyncio.sleep(due - time.monotonic())
        done: asyncio.Future[None] = loop.create_future()
        _, stream = await loop.create_connection(lambda: _Stream(data, due, done), HOST, port)
        await done
        return stream.received

    async with asyncio.timeout(within):
        return await asyncio.gather(*(one(index, data) for index, data in enumerate(requests)))
