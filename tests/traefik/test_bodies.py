"""The real Traefik holds back what would fill a server that reads bodies before it asks who sends them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest
from aiohttp import web

from compose.stack.settings import Stack
from tests.loopback import served
from tests.traefik.front_door import Door, front_door, said
from tests.traefik.http2 import request
from tests.traefik.routes import OPEN_WEBUI, PLAIN, at
from traefik.bodies import SMALL

CHAT = "chat.example"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Traefik's folder, where nobody has a login."""
    (tmp_path / "logins").write_text("", "utf-8")
    return tmp_path


class Reader:
    """A server that reads the body, waits until it may go on where it is told to, and says how long the body was."""

    def __init__(self) -> None:
        self.there = asyncio.Semaphore(0)  # once for each that waits
        self.on = asyncio.Event()

    async def answer(self, asked: web.Request) -> web.Response:
        """An answer at once, or below `/wait` later."""
        if asked.path == "/wait":
            self.there.release()
            await self.on.wait()
        return web.Response(text=str(len(await asked.read())))


@pytest.fixture
async def reader() -> AsyncIterator[tuple[Reader, int]]:
    """A reader and its port."""
    reader = Reader()
    async with served(reader.answer) as url:
        yield reader, int(url.rsplit(":", 1)[1])


#: Method, path, what the header says of the body (a length, "chunked", or nothing), and the answer.
ASKED = (
    *(("GET", "/", "", 200), ("GET", "/", "0", 200), ("HEAD", "/", "", 200), ("OPTIONS", "/", "", 200)),
    *(("POST", "/", "0", 200), ("PUT", "/", "0", 200), ("PATCH", "/", "0", 200), ("DELETE", "/", "", 200)),
    *((method, "/", "100000000", 413) for method in ("POST", "PUT", "PATCH", "DELETE", "GET")),
    *((method, "/_app/x", "99999999999", 413) for method in ("POST", "DELETE")),
    *((method, "/", "chunked", 411) for method in ("POST", "PUT", "PATCH")),
    *(("POST", "/", "", 411), ("POST", "/_app/x", "", 411), ("POST", "/openai/x", "100000000", 404)),
)


async def test_what_is_too_long_or_says_no_length(folder: Path, reader: tuple[Reader, int]) -> None:
    """It is refused before a byte of its body is read; what has no body goes on as before."""
    says = {"": "", "chunked": "\r\nTransfer-Encoding: chunked"}
    async with front_door(folder, at(reader[1], OPEN_WEBUI), PLAIN) as door:
        for method, path, length, status in ASKED:
            body = says.get(length, f"\r\nContent-Length: {length}")
            line = await said(door, f"{method} {path} HTTP/1.1\r\nHost: {CHAT}{body}")
            assert f" {status} ".encode() in line, (method, path, length)
        async with door.get(CHAT, "/", method="POST", data=b"x" * 1000) as answer:
            assert await answer.text() == "1000"


async def over_http2(door: Door, method: str, length: str, body: bytes | None) -> int:
    """The status of a request over HTTP/2, by the access log."""
    before = len(await door.accessed(0))
    host, port = door.places.web.split(":")
    _, writer = await asyncio.open_connection(host, int(port))
    fields = (("content-length", length),) if length else ()
    whole = body is None or length in ("", "many", str(len(body)))
    writer.write(request(method, CHAT, "/", *fields, body=body, whole=whole))
    line = (await door.accessed(before + 1))[-1]
    writer.close()
    assert line["RequestProtocol"] == "HTTP/2.0"
    return int(line["DownstreamStatus"])


async def test_http2_says_no_less(folder: Path, reader: tuple[Reader, int]) -> None:
    """The length is known there, too, and a body that says none is refused, though nothing is called chunked."""
    async with front_door(folder, at(reader[1], OPEN_WEBUI), PLAIN) as door:
        for method, length, body, status in (
            ("GET", "", None, 200),
            ("POST", "0", None, 200),
            ("POST", "3", b"abc", 200),
            ("POST", "100000000", b"abc", 413),
            ("POST", "", b"abc", 411),
            ("POST", "many", b"abc", 411),
            ("DELETE", "", None, 200),
            ("DELETE", "", b"a" * 100, 200),
        ):
            assert await over_http2(door, method, length, body) == status, (method, length)


@pytest.mark.parametrize("stack", [PLAIN, replace(PLAIN, cloudflare=True)], ids=["plain", "cloudflare"])
async def test_only_so_many_large_ones_at_once(folder: Path, reader: tuple[Reader, int], stack: Stack) -> None:
    """All guests together, however they spell the host; smaller ones are let in meanwhile, and when one has ended
    there is room for another."""
    server, port = reader
    async with front_door(folder, at(port, replace(OPEN_WEBUI, bodies={2: 2, 3: 1})), stack) as door:

        def send(length: int, path: str = "/", **more: str) -> asyncio.Task[int]:
            sent = door.status(more.pop("host", CHAT), path, method="POST", data=b"x" * length, **more)
            return asyncio.create_task(sent)

        waiting = [send(length, "/wait") for length in (10, 99, 100)]
        for _ in waiting:
            await asyncio.wait_for(server.there.acquire(), 20)
        assert [await send(50), await send(500)] == [429, 429]
        for more in ({"source": "127.0.0.8"}, {"host": "CHAT.example"}, {"host": "chat.example:80"}):
            assert await send(50, **more) == 429, more
        assert await send(9) == 200
        assert await send(1000) == 413
        assert await door.status(CHAT, "/") == 200
        server.on.set()
        assert await asyncio.gather(*waiting) == [200] * 3
        assert [await send(50), await send(500)] == [200, 200]


async def test_a_delete_that_says_no_length_is_small(folder: Path, reader: tuple[Reader, int]) -> None:
    """Browsers say none for those without a body; one that goes on and on is cut off."""

    async def pieces(count: int) -> AsyncIterator[bytes]:
        for _ in range(count):
            yield b"x" * 1000

    async with front_door(folder, at(reader[1], OPEN_WEBUI), PLAIN) as door:
        async with door.get(CHAT, "/", method="DELETE", data=pieces(2)) as answer:
            assert (answer.status, await answer.text()) == (200, "2000")
        assert await door.status(CHAT, "/", method="DELETE", data=pieces(SMALL // 1000 + 1)) == 413
