"""A rollout as Traefik sees it: one rename moves the traffic, and whoever is being answered is answered to the end."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest
from aiohttp import web

from benchmarks.servers import free_port
from tests.traefik.front_door import Door, front_door, until
from tests.traefik.routes import GATEWAY, PLAIN

OLD, NEW = "127.0.0.2", "127.0.0.3"
GUESTS = 10  # who are in the middle of an answer


@dataclass
class Replica:
    """A server that says which one it is. Its streams go on until `done`; it counts them."""

    name: str
    done: asyncio.Event = field(default_factory=asyncio.Event)
    streams: int = 0

    async def answer(self, request: web.Request) -> web.StreamResponse:
        """Its name; as an event stream, at the beginning and at the end."""
        if request.path != "/stream":
            return web.Response(text=self.name)
        stream = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
        await stream.prepare(request)
        await stream.write(f"data: {self.name}\n\n".encode())
        self.streams += 1
        await self.done.wait()
        await stream.write(b"data: [DONE]\n\n")
        return stream


@asynccontextmanager
async def replica(name: str, port: int) -> AsyncIterator[Replica]:
    """A server at an address of loopback."""
    here = Replica(name)
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", here.answer)
    runner = web.AppRunner(app)
    await runner.setup()
    try:
        await web.TCPSite(runner, name, port).start()
        yield here
    finally:
        here.done.set()
        await runner.cleanup()


async def stream(door: Door) -> bytes:
    """A whole stream by the public name."""
    async with door.get("api.example", "/stream", method="POST", data=b"x") as answer:
        assert answer.status == 200
        return await answer.read()


async def guests(door: Door, seen: list[tuple[int, str]], enough: asyncio.Event) -> None:
    """Ask again and again, by the public name and by the internal entry point, and note every answer."""
    inside = f"http://{door.places.internal['gateway']}/v1/chat"
    while not enough.is_set():
        async with door.get("api.example", "/v1/chat", method="POST", data=b"x") as answer:
            seen.append((answer.status, await answer.text()))
        async with door.session.post(inside, data=b"x") as answer:
            seen.append((answer.status, await answer.text()))
        await asyncio.sleep(0.02)


async def test_a_rename_moves_the_traffic(tmp_path: Path) -> None:
    """No request fails, the old server gets nothing new, and its open streams go on to their end and no further."""
    (tmp_path / "logins").write_text("", "utf-8")
    port = free_port("server")
    route = replace(GATEWAY, port=port, servers=(OLD,))
    seen: list[tuple[int, str]] = []
    async with (
        replica(OLD, port) as old,
        front_door(tmp_path, [route], PLAIN) as door,
    ):
        enough = asyncio.Event()
        asking = asyncio.create_task(guests(door, seen, enough))
        streams = [asyncio.create_task(stream(door)) for _ in range(GUESTS)]
        await until(lambda: old.streams == GUESTS and len(seen) >= 20, "guests of the old server")
        async with replica(NEW, port):
            await door.moved(replace(route, servers=(NEW,)))
            await until(lambda: [name for _, name in seen[-10:]] == [NEW] * 10, "everybody at the new server")
            moved = len(seen)
            old.done.set()
            whole = f"data: {OLD}\n\ndata: [DONE]\n\n".encode()
            assert await asyncio.gather(*streams) == [whole] * GUESTS
            await until(lambda: len(seen) >= moved + 20, "more guests")
            enough.set()
            await asking
    assert {status for status, _ in seen} == {200}
    assert Counter(name for _, name in seen[moved:]).keys() == {NEW}


async def test_both_serve_while_both_are_there(tmp_path: Path) -> None:
    """Two servers share the requests, and once one of them is gone the other one has them all."""
    (tmp_path / "logins").write_text("", "utf-8")
    port = free_port("server")
    route = replace(GATEWAY, port=port, servers=(OLD, NEW), health="/healthz")
    seen: list[tuple[int, str]] = []
    async with replica(OLD, port), front_door(tmp_path, [route], PLAIN) as door:
        enough = asyncio.Event()
        asking = asyncio.create_task(guests(door, seen, enough))
        async with replica(NEW, port):
            await until(lambda: {OLD, NEW} <= {name for _, name in seen}, "answers of both")
        # Whoever was sent to it in its last moment may have been lost; nobody after that.
        await until(lambda: seen[-10:] == [(200, OLD)] * 10, "the other one alone")
        alone = len(seen)
        await until(lambda: len(seen) >= alone + 20, "more guests")
        enough.set()
        await asking
    assert set(seen[alone:]) == {(200, OLD)}


@pytest.mark.parametrize(
    "text", ["http: [", "http: {routers: {gateway: {rulez: x}}}"], ids=["no YAML", "an unknown field"]
)
async def test_a_file_with_a_mistake_changes_nothing(tmp_path: Path, text: str) -> None:
    """Traefik says what is wrong and keeps what it has; the next good file is taken as ever."""
    (tmp_path / "logins").write_text("", "utf-8")
    port = free_port("server")
    route = replace(GATEWAY, port=port, servers=(OLD,))
    async with replica(OLD, port), replica(NEW, port), front_door(tmp_path, [route], PLAIN) as door:
        (tmp_path / "dynamic" / "langfuse.yaml").write_text(text, "utf-8")
        await until(lambda: any('"level":"error"' in line for line in door.lines), "a word about the mistake")
        assert await door.status("api.example", "/v1/models") == 200
        (tmp_path / "dynamic" / "langfuse.yaml").unlink()
        await door.moved(replace(route, servers=(NEW,)))
        assert await door.status("api.example", "/v1/models") == 200
