"""The real Traefik leaves streams, sockets and uploads alone, and sends nothing twice."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

import aiohttp
import pytest
from aiohttp import web

from tests.loopback import served
from tests.traefik.front_door import Door, front_door, places_in
from tests.traefik.routes import GATEWAY, OPEN_WEBUI, PLAIN, at
from traefik.static import static

ENCODINGS = {"Accept-Encoding": "gzip, br, zstd"}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Traefik's folder, where nobody has a login."""
    (tmp_path / "logins").write_text("", "utf-8")
    return tmp_path


class Speaker:
    """A server that speaks when it is told to: one token for each `next`, then its end."""

    def __init__(self) -> None:
        self.next: asyncio.Queue[str | None] = asyncio.Queue()
        self.left = asyncio.Event()  # its listener has gone
        self.first = asyncio.Event()  # the first piece of an upload is there

    async def answer(self, request: web.Request) -> web.StreamResponse:
        """One of the ways to answer."""
        match request.path:
            case "/json":
                return web.json_response({"text": "a" * 5000})
            case "/upload":
                first = await request.content.readany()
                self.first.set()
                return web.Response(text=str(len(first) + len(await request.content.read())))
            case "/ws/socket.io/":
                socket = web.WebSocketResponse()
                await socket.prepare(request)
                async for message in socket:
                    await socket.send_str(f"{message.data}!")
                return socket
        stream = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
        await stream.prepare(request)
        try:
            while (token := await self.next.get()) is not None:
                await stream.write(f"data: {token}\n\n".encode())
        except (asyncio.CancelledError, ConnectionError):
            self.left.set()
            raise
        return stream


@asynccontextmanager
async def speaking() -> AsyncIterator[tuple[Speaker, int]]:
    """A speaker and its port."""
    speaker = Speaker()
    async with served(speaker.answer, handler_cancellation=True) as url:
        yield speaker, int(url.rsplit(":", 1)[1])


@pytest.mark.parametrize(
    ("host", "method"),
    [("api.example", "GET"), ("api.example", "POST"), ("chat.example", "GET"), ("chat.example", "POST")],
)
async def test_tokens_arrive_one_by_one(folder: Path, host: str, method: str) -> None:
    """Each token is there before the next one is made, uncompressed, also where requests of such a length are counted;
    another answer of some size is compressed."""
    routes = [GATEWAY, replace(OPEN_WEBUI, bodies={1: 1})]
    async with speaking() as (speaker, port), front_door(folder, at(port, *routes), PLAIN) as door:
        speaker.next.put_nowait("The")
        async with door.get(host, "/stream", method=method, headers=ENCODINGS) as answer:
            assert answer.headers["Content-Type"] == "text/event-stream"
            assert "Content-Encoding" not in answer.headers
            for token, following in (("The", "bill"), ("bill", "please"), ("please", None)):
                assert await answer.content.readuntil(b"\n\n") == f"data: {token}\n\n".encode()
                speaker.next.put_nowait(following)
            assert await answer.content.read() == b""
        async with door.get(host, "/json", headers=ENCODINGS) as answer:
            assert answer.headers["Content-Encoding"] in ("gzip", "br", "zstd")


async def test_a_stream_outlives_the_time_for_a_request(folder: Path) -> None:
    """The limit of time is for sending a request; an answer takes as long as it takes."""
    places = places_in(folder)
    points = static(PLAIN, places)["entryPoints"]
    timeouts = points["web"]["transport"]["respondingTimeouts"]
    assert timeouts["writeTimeout"] == "0s"
    timeouts["readTimeout"] = "500ms"
    async with (
        speaking() as (speaker, port),
        front_door(folder, at(port, GATEWAY), PLAIN, places, entryPoints=points) as door,
        door.get("api.example", "/stream", method="POST", data=b"x") as answer,
    ):
        speaker.next.put_nowait("soon")
        assert await answer.content.readuntil(b"\n\n") == b"data: soon\n\n"
        await asyncio.sleep(1)  # what must not end anything
        speaker.next.put_nowait("late")
        assert await answer.content.readuntil(b"\n\n") == b"data: late\n\n"
        speaker.next.put_nowait(None)
        assert await answer.content.read() == b""


async def test_the_server_learns_that_its_reader_left(folder: Path) -> None:
    """A guest who goes in the middle of an answer ends the request at the server, too."""
    async with speaking() as (speaker, port), front_door(folder, at(port, GATEWAY), PLAIN) as door:
        async with door.get("api.example", "/stream") as answer:
            speaker.next.put_nowait("one")
            await answer.content.readuntil(b"\n\n")
        await asyncio.wait_for(speaker.left.wait(), 30)


@asynccontextmanager
async def answering_socket(door: Door) -> AsyncIterator[None]:
    """Open WebUI's socket, open within the block; it has answered."""
    url = f"http://{door.places.web}/ws/socket.io/?EIO=4&transport=websocket"
    async with (
        aiohttp.ClientSession() as session,
        session.ws_connect(url, headers={"Host": "chat.example"}) as socket,
    ):
        await socket.send_str("hello")
        assert (await socket.receive(timeout=30)).data == "hello!"
        yield


async def test_web_sockets_pass(folder: Path) -> None:
    """Open WebUI's socket opens and answers."""
    async with (
        speaking() as (_, port),
        front_door(folder, at(port, OPEN_WEBUI), PLAIN) as door,
        answering_socket(door),
    ):
        pass


async def test_an_open_socket_does_not_hold_traefik(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A stop ends what is still open after the grace, which has nothing to do with how long a server may drain."""
    monkeypatch.setattr("traefik.static.GRACE", 1)
    stack = replace(PLAIN, drain_timeout=3600)
    async with (
        speaking() as (_, port),
        front_door(folder, at(port, OPEN_WEBUI), stack) as door,
        answering_socket(door),
    ):
        assert await door.stopped() == 0


async def test_an_upload_is_passed_on_as_it_comes(folder: Path) -> None:
    """A document's first piece is at the server before its last one is sent: nothing is kept in between."""
    async with speaking() as (speaker, port), front_door(folder, at(port, GATEWAY), PLAIN) as door:

        async def document() -> AsyncIterator[bytes]:
            yield b"x" * 1000
            await asyncio.wait_for(speaker.first.wait(), 30)
            yield b"y" * 1000

        async with door.get("api.example", "/upload", method="POST", data=document()) as answer:
            assert await answer.text() == "2000"


@pytest.mark.parametrize("entry", ["web", "gateway"])
async def test_what_was_never_sent_is_sent_again(folder: Path, entry: str) -> None:
    """A server that is not there costs nobody a request, not even a POST; one that took it is not asked twice."""
    taken: list[str] = []

    async def good(request: web.Request) -> web.Response:
        taken.append(await request.text())
        return web.Response()

    async def rude(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        taken.append((await reader.readuntil(b"body"))[-4:].decode())
        writer.close()

    async def ask(count: int) -> list[int]:
        address = door.places.web if entry == "web" else door.places.internal["gateway"]
        found = []
        for _ in range(count):
            request = door.session.post(f"http://{address}/v1/chat", data="body", headers={"Host": "api.example"})
            async with request as answer:
                found.append(answer.status)
        return found

    async with served(good) as url:
        port = int(url.rsplit(":", 1)[1])
        (route,) = at(port, GATEWAY)
        # Nobody listens there.
        route = replace(route, servers=("127.0.0.1", "127.0.0.6"), health=None)
        async with front_door(folder, [route], PLAIN) as door:
            assert await ask(6) == [200] * 6
            assert taken == ["body"] * 6
            taken.clear()
            server = await asyncio.start_server(rude, "127.0.0.7", port)
            await door.moved(replace(route, servers=("127.0.0.7",)))
            assert await ask(2) == [502] * 2
            assert taken == ["body"] * 2
            server.close()
