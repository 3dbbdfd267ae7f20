"""The load of whole answers: callers who each ask again as soon as they have their answer, over kept raw connections,
to loopback only, bounded in number and time.

Bytes are only collected while they ask; they are judged afterwards.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import cast

import httptools

from benchmarks.load import HOST
from maitre.errors import HouseError

MOST_CALLERS = 500
MOST_SECONDS = 60.0
PATIENCE = 30.0  # seconds that the last answers may take


@dataclass(slots=True)
class Asked:
    """What the callers of one round got."""

    seconds: float = 0.0
    latencies: list[float] = field(default_factory=list)  # seconds, of each answer
    statuses: list[int] = field(default_factory=list)
    bodies: list[bytes] = field(default_factory=list)


class _Caller(asyncio.Protocol):
    def __init__(self, request: bytes, until: float, asked: Asked, done: asyncio.Future[None]) -> None:
        self._request, self._until, self._asked, self._done = request, until, asked, done

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        self._ask()

    def _ask(self) -> None:
        self._parser = httptools.HttpResponseParser(self)
        self._body: list[bytes] = []
        self._transport.write(self._request)
        self._began = time.monotonic()

    def data_received(self, data: bytes) -> None:
        self._parser.feed_data(data)

    def on_body(self, data: bytes) -> None:
        self._body.append(data)

    def on_message_complete(self) -> None:
        now = time.monotonic()
        self._asked.latencies.append(now - self._began)
        self._asked.statuses.append(self._parser.get_status_code())
        self._asked.bodies.append(b"".join(self._body))
        if now >= self._until:
            self._done.set_result(None)
            self._transport.close()
        elif self._parser.should_keep_alive():
            asyncio.get_running_loop().call_soon(self._ask)  # the parser is still at work here
        else:
            self._done.set_exception(HouseError("A server closes its connections after an answer."))

    def connection_lost(self, exc: Exception | None) -> None:
        if not self._done.done():
            self._done.set_exception(HouseError(f"A connection broke: {exc or 'the server closed it'}."))


async def ask(port: int, requests: Sequence[bytes], seconds: float) -> Asked:
    """A caller for each request, who asks it for so long. HouseError when a connection breaks, TimeoutError when the
    last answers do not come."""
    if len(requests) > MOST_CALLERS or seconds > MOST_SECONDS:
        raise ValueError(f"A round has at most {MOST_CALLERS} callers and {MOST_SECONDS:g} seconds.")
    loop = asyncio.get_running_loop()
    asked, began = Asked(), time.monotonic()
    ends: list[asyncio.Future[None]] = [loop.create_future() for _ in requests]
    async with asyncio.timeout(seconds + PATIENCE):
        for request, end in zip(requests, ends, strict=True):
            await loop.create_connection(
                lambda one=request, done=end: _Caller(one, began + seconds, asked, done),  # type: ignore[misc]
                HOST,
                port,
            )
        await asyncio.gather(*ends)
    asked.seconds = time.monotonic() - began
    return asked
