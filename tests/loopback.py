"""Servers of aiohttp for tests: on a free port of loopback, and for a synchronous test in a thread."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Iterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager, contextmanager
from typing import Any, TypeVar

from aiohttp import web
from aiohttp.typedefs import Handler

T = TypeVar("T")


@asynccontextmanager
async def served(answer: Handler, path: str = "/{path:.*}", method: str = "*", **options: Any) -> AsyncIterator[str]:
    """The address of a server that answers such requests while the block runs. `options` are those of AppRunner."""
    app = web.Application()
    app.router.add_route(method, path, answer)
    runner = web.AppRunner(app, **options)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        yield f"http://127.0.0.1:{runner.addresses[0][1]}"
    finally:
        await runner.cleanup()


@contextmanager
def in_a_thread(holding: AbstractAsyncContextManager[T], name: str) -> Iterator[T]:
    """What is held on an event loop of its own, in a thread of this name, while the block runs."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, name=name, daemon=True)
    thread.start()
    try:
        held = asyncio.run_coroutine_threadsafe(holding.__aenter__(), loop).result(timeout=10)
        try:
            yield held
        finally:
            asyncio.run_coroutine_threadsafe(holding.__aexit__(None, None, None), loop).result(timeout=10)
    finally:
        loop.call_soon_threadsafe(loop.stop)
        thread.join(timeout=10)
        loop.close()
