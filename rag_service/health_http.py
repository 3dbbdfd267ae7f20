"""A worker's only door: GET /health on the loopback, for whoever watches over processes."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator, Callable

from aiohttp import web


@contextlib.asynccontextmanager
async def listening(port: int | None, well: Callable[[], bool]) -> AsyncIterator[None]:
    """Answer within the block, 200 while it is well and 503 else. Without a port there is no door."""
    if port is None:
        yield
        return

    async def health(request: web.Request) -> web.Response:
        good = well()
        return web.json_response({"status": "ok" if good else "down"}, status=200 if good else 503)

    app = web.Application()
    app.router.add_get("/health", health)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", port).start()
    try:
        yield
    finally:
        await runner.cleanup()
