"""The thin HTTP client against servers that say what a test wants, in any pieces."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable

import pytest

from maitre.http.http_client import HttpClient, Unreachable
from maitre.http.http_connection import MOST_WAITING, Broken

Serve = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n"


class Server:
    """Answers each request of each connection by the next of its answers; an empty one closes."""

    def __init__(self, *answers: bytes, closes: bool = False) -> None:
        self.answers, self.closes = list(answers), closes
        self.requests: list[bytes] = []
        self.connections = self.gone = 0

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        try:
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                length = int(head.lower().partition(b"content-length: ")[2].partition(b"\r\n")[0])
                self.requests.append(head + await reader.readexactly(length))
                writer.write(self.answers.pop(0))
                await writer.drain()
                if self.closes:
                    return
        except (asyncio.IncompleteReadError, ConnectionError, IndexError):
            return
        finally:
            self.gone += 1
            writer.close()


@pytest.fixture
async def listen() -> AsyncIterator[Callable[[Serve], Awaitable[str]]]:
    """Starts servers; their URLs."""
    servers: list[asyncio.Server] = []

    async def start(serve: Serve) -> str:
        servers.append(await asyncio.start_server(serve, "127.0.0.1", 0))
        return f"http://127.0.0.1:{servers[-1].sockets[0].getsockname()[1]}/v1/chat?a=b"

    yield start
    for server in servers:
        server.close()


async def read(client: HttpClient, url: str, **headers: str) -> bytes:
    """A whole answer."""
    pieces = []
    async with client.post(url, b"{}", headers) as answer:
        assert answer.status == 200
        while piece := await answer.read():
            pieces.append(piece)
    return b"".join(pieces)


ANSWERS = {
    "by length": OK,
    "in chunks": CHUNKED,
    "empty": b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n",
    "after an interim answer": b"HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n" + OK,
}


@pytest.mark.parametrize("raw", ANSWERS.values(), ids=ANSWERS)
@pytest.mark.parametrize("size", [1, 7, 10_000])
async def test_an_answer_in_any_pieces(listen: Callable[[Serve], Awaitable[str]], raw: bytes, size: int) -> None:
    """Its body is what was sent, however the wire cuts it."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"{}")
        for at in range(0, len(raw), size):
            writer.write(raw[at : at + size])
            await writer.drain()
            await asyncio.sleep(0)

    client = HttpClient(connect=5, keep=5)
    assert await read(client, await listen(serve)) == (b"" if b"Length: 0" in raw else b"ok")
    client.close()


async def test_a_connection_is_used_again(listen: Callable[[Serve], Awaitable[str]]) -> None:
    """As long as its answers were read to their end; the request says where and what."""
    server, client = Server(OK, CHUNKED, OK), HttpClient(connect=5, keep=5)
    url = await listen(server.serve)
    for _ in range(3):
        assert await read(client, url, **{"X-Request-Id": "r1"}) == b"ok"
    assert server.connections == 1
    first, *lines = server.requests[0].split(b"\r\n")
    assert first == b"POST /v1/chat?a=b HTTP/1.1"
    assert {b"Content-Length: 2", b"X-Request-Id: r1", b"Content-Type: application/json", b"{}"} <= set(lines)
    client.close()


async def test_an_answer_that_is_left_ends_its_connection(listen: Callable[[Serve], Awaitable[str]]) -> None:
    """The server sees at once that nobody reads on."""
    half, client = b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nok", HttpClient(connect=5, keep=5)
    server = Server(half, OK)
    url = await listen(server.serve)
    async with client.post(url, b"{}", {}) as answer:
        assert await answer.read() == b"ok"
    assert await read(client, url) == b"ok"
    assert server.connections == 2
    client.close()


BROKEN = {
    "nothing": b"",
    "half": b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nok",
    "half a chunk": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n9\r\nok",
    "no HTTP": b"220 smtp ready\r\n\r\n",
    "compressed": b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 2\r\n\r\nok",
}


@pytest.mark.parametrize("raw", BROKEN.values(), ids=BROKEN)
async def test_what_breaks_is_said(listen: Callable[[Serve], Awaitable[str]], raw: bytes) -> None:
    """An answer is whole or Broken."""
    client = HttpClient(connect=5, keep=5)
    with pytest.raises(Broken):
        await read(client, await listen(Server(raw, closes=True).serve))
    client.close()


async def test_a_body_without_a_length_ends_with_its_connection(listen: Callable[[Serve], Awaitable[str]]) -> None:
    """As old servers have it; the connection is not used again."""
    client = HttpClient(connect=5, keep=5)
    url = await listen(Server(b"HTTP/1.1 200 OK\r\n\r\nok", closes=True).serve)
    assert await read(client, url) == b"ok"
    client.close()


async def test_a_slow_reader_holds_the_server_back(listen: Callable[[Serve], Awaitable[str]]) -> None:
    """What waits unread is bounded, and nothing of it is lost."""
    size = 64 * MOST_WAITING
    sent = asyncio.Event()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"{}")
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % size)
        for _ in range(64):
            writer.write(b"x" * MOST_WAITING)
            await writer.drain()
        sent.set()

    client = HttpClient(connect=5, keep=5)
    async with client.post(await listen(serve), b"{}", {}) as answer:
        for _ in range(1000):
            await asyncio.sleep(0)
        assert not sent.is_set()
        got = 0
        while piece := await answer.read():
            got += len(piece)
    assert got == size
    client.close()


@pytest.mark.parametrize(
    ("url", "headers", "fault"),
    [
        ("http://127.0.0.1:1/v1", {}, Unreachable),
        ("ftp://127.0.0.1/v1", {}, ValueError),
        ("http:///v1", {}, ValueError),
        ("http://127.0.0.1:1/v1", {"X-Request-Id": "a\r\nX-Evil: b"}, ValueError),
    ],
)
async def test_what_cannot_be_asked_is_said(url: str, headers: dict[str, str], fault: type[Exception]) -> None:
    """Nobody listens, no HTTP, no host, or a header that would be two."""
    client = HttpClient(connect=5, keep=5)
    with pytest.raises(fault):
        async with client.post(url, b"{}", headers):
            pass
    client.close()


async def test_a_server_without_tls_is_not_believed(listen: Callable[[Serve], Awaitable[str]]) -> None:
    """https is never spoken in the clear."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(1)
        writer.write(OK)
        writer.close()

    client, url = HttpClient(connect=5, keep=5), await listen(serve)
    with pytest.raises(Unreachable) as refused:
        await read(client, url.replace("http:", "https:"))
    assert isinstance(refused.value.__cause__, ssl.SSLError | ConnectionError)
    client.close()
