"""A small HTTP server for tools, on loopback, that notes what it was asked."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AbstractContextManager, asynccontextmanager
from dataclasses import dataclass, field

from aiohttp import web

from tests.loopback import in_a_thread, served


@dataclass
class Seen:
    """One request as the server got it."""

    method: str
    path: str  # as it was sent, with the query
    headers: dict[str, str]
    body: bytes


@dataclass
class ToolServer:
    """What it was asked, and where it is."""

    url: str = ""
    seen: list[Seen] = field(default_factory=list)
    stalled: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def port(self) -> int:
        """Its port."""
        return int(self.url.rpartition(":")[2])

    async def answer(self, request: web.Request) -> web.StreamResponse:
        """Do what the last part of the path says."""
        body = await request.read()
        self.seen.append(Seen(request.method, request.raw_path, dict(request.headers), body))
        match request.path.rpartition("/")[2]:
            case "redirect":
                return web.Response(status=302, headers={"Location": f"{self.url}/secret"})
            case "loop":
                return web.Response(status=307, headers={"Location": request.path})
            case "huge":
                return await self._huge(request)
            case "slow":
                return await self._slow(request)
            case "silent":
                await self.stalled.wait()
            case "error":
                return web.json_response({"error": "no such guest"}, status=404)
            case "picture":
                return web.Response(body=b"\x89PNG", content_type="image/png")
            case "packed":
                return web.Response(body=b"\x1f\x8b\0", headers={"Content-Encoding": "gzip"})
            case "echo":
                return web.Response(text=f"you sent {request.headers.get('Authorization')}")
            case "cookie":
                return web.Response(text="set", headers={"Set-Cookie": "id=1"})
            case "empty":
                return web.Response(status=204)
            case "bytes":
                return web.Response(body=b"\xff\x00ok", content_type="text/plain")
        return web.json_response({"path": request.raw_path})

    async def _huge(self, request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Type": "text/plain"})
        await response.prepare(request)
        for _ in range(10_000):
            await response.write(b"x" * 10_000)
        return response

    async def _slow(self, request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Type": "text/plain"})
        await response.prepare(request)
        while not self.stalled.is_set():
            await response.write(b"x")
            await asyncio.sleep(0.02)
        return response


@asynccontextmanager
async def tool_server() -> AsyncIterator[ToolServer]:
    """The server while the block runs."""
    server = ToolServer()
    async with served(server.answer, handler_cancellation=True) as server.url:
        try:
            yield server
        finally:
            server.stalled.set()


def running_tool_server() -> AbstractContextManager[ToolServer]:
    """The same for a synchronous test."""
    return in_a_thread(tool_server(), "tool-server")
