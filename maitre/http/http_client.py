"""A client of HTTP/1.1 for one event loop: kept connections, no redirects, cookies, compression or proxies.

client = HttpClient(connect=5.0, keep=4.0)
async with client.post(url, body, headers) as answer:
    answer.status, answer.headers["retry-after"], await answer.read()
"""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from urllib.parse import urlsplit

from maitre.http.http_connection import Broken, Connection


class Unreachable(Exception):
    """No connection to the server; the text says why."""


@dataclass(frozen=True, slots=True)
class _Place:
    """Where a URL leads."""

    host: str
    port: int
    tls: bool
    beginning: str  # of the request: its first line after the method, and Host


class HttpClient:
    """Its connections. `connect`: seconds for a new one; `keep`: seconds that an idle one is kept."""

    def __init__(self, *, connect: float, keep: float) -> None:
        self._connect, self._keep = connect, keep
        self._idle: dict[tuple[str, int, bool], list[tuple[Connection, float]]] = {}
        self._cleaning: asyncio.TimerHandle | None = None

    def post(self, url: str, body: bytes, headers: Mapping[str, str]) -> _Posted:
        """The answer to a POST of JSON, when its headers have come: `async with`. Raises Unreachable, Broken,
        ValueError."""
        return self.ask("POST", url, body, headers)

    def ask(self, method: str, url: str, body: bytes, headers: Mapping[str, str]) -> _Posted:
        """The same by another method."""
        place = _place(url)
        return _Posted(self, place, _request(method, place, body, headers))

    async def connection(self, place: _Place) -> Connection:
        """One that nobody else uses. Raises Unreachable."""
        return self._kept(place) or await self._fresh(place)

    def _kept(self, place: _Place) -> Connection | None:
        idle = self._idle.get((place.host, place.port, place.tls), [])
        while idle:
            connection, until = idle.pop()
            if connection.free and asyncio.get_running_loop().time() < until:
                return connection
            connection.close()
        return None

    async def _fresh(self, place: _Place) -> Connection:
        secure = _tls() if place.tls else None
        try:
            async with asyncio.timeout(self._connect):
                _, connection = await asyncio.get_running_loop().create_connection(
                    Connection, place.host, place.port, ssl=secure
                )
        except TimeoutError:
            raise Unreachable(f"no connection within {self._connect:g} seconds") from None
        except (OSError, UnicodeError) as fault:
            raise Unreachable(f"{type(fault).__name__}: {fault}") from fault
        return connection

    def done(self, place: _Place, connection: Connection) -> None:
        """Take a connection back; one whose answer was not read to its end is closed."""
        if not connection.free:
            connection.close()
            return
        loop = asyncio.get_running_loop()
        self._idle.setdefault((place.host, place.port, place.tls), []).append((connection, loop.time() + self._keep))
        if self._cleaning is None:
            self._cleaning = loop.call_later(self._keep, self._clean)

    def _clean(self) -> None:
        """Close what nobody used for so long."""
        loop = asyncio.get_running_loop()
        self._cleaning = None
        for place, idle in list(self._idle.items()):
            for connection, until in idle:
                if until <= loop.time():
                    connection.close()
            self._idle[place] = [one for one in idle if one[0].free]
        if any(self._idle.values()):
            self._cleaning = loop.call_later(self._keep, self._clean)

    def close(self) -> None:
        """Close the idle connections; others end with their answer."""
        if self._cleaning is not None:
            self._cleaning.cancel()
        for idle in self._idle.values():
            for connection, _ in idle:
                connection.close()
        self._idle.clear()


class _Posted:
    """One request, from its sending to the end of the block that reads its answer."""

    def __init__(self, client: HttpClient, place: _Place, request: bytes) -> None:
        self._client, self._place, self._request = client, place, request

    async def __aenter__(self) -> Connection:
        self._connection = connection = await self._client.connection(self._place)
        try:
            connection.ask(self._request)
            await connection.head()
            if connection.headers.get("content-encoding", "identity").lower() != "identity":
                raise Broken("the answer is compressed, which was not asked for")
        except BaseException:
            connection.close()
            raise
        return connection

    async def __aexit__(self, *fault: object) -> None:
        self._client.done(self._place, self._connection)


def _request(method: str, place: _Place, body: bytes, headers: Mapping[str, str]) -> bytes:
    lines = "".join([f"{name}: {value}\r\n" for name, value in headers.items()])
    if lines.count("\n") != len(headers) or lines.count("\r") != len(headers):
        raise ValueError("a header has a line break")
    head = f"{method} {place.beginning}Content-Length: {len(body)}\r\n{lines}\r\n"
    return head.encode("latin-1") + body


@lru_cache(1024)
def _place(url: str) -> _Place:
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ValueError("the URL is no address of HTTP")
    path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    host = parts.netloc.rpartition("@")[2]
    beginning = (
        f"{path} HTTP/1.1\r\nHost: {host}\r\nAccept: */*\r\nAccept-Encoding: identity\r\n"
        "Content-Type: application/json\r\nUser-Agent: maitre\r\n"
    )
    tls = parts.scheme == "https"
    return _Place(parts.hostname, parts.port or (443 if tls else 80), tls, beginning)


@lru_cache(1)
def _tls() -> ssl.SSLContext:
    return ssl.create_default_context()
