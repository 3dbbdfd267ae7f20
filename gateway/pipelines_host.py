"""The hardened host of the upstream Pipelines server: one ASGI application around the unmodified one.

    MAITRE_HOUSE=… PIPELINES_DIR=… python -m uvicorn gateway.pipelines_host:app

Every request carries the key, or is answered 401; only `GET /healthz` is not asked for it. Turns of our own models
are served here by the process's one engine; everything else by the upstream server's own code and its plugins.
"""

from __future__ import annotations

import asyncio
import logging
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

from gateway.answers import Problem, send_problem
from gateway.asgi import Receive, Scope, Send
from gateway.host import Host
from gateway.quiet import hush
from gateway.upstream_server import UpstreamServer
from maitre import portal
from maitre.app import Engine
from maitre.errors import MaitreError
from maitre.faults import outline
from maitre.pipelines_server import server_folder
from maitre.settings import find_house, load_house

log = logging.getLogger(__name__)

#: `on` opens the upstream server's routes that load, remove and describe plugins.
MANAGEMENT = "MAITRE_PIPELINES_MANAGEMENT"

DRAIN = 3.0  # seconds that cancelled turns get to end


@asynccontextmanager
async def opened() -> AsyncIterator[Host]:
    """The host of the house in MAITRE_HOUSE, with its engine on this loop and its plugins loaded."""
    loop = asyncio.get_running_loop()
    hush(loop)
    house = load_house(find_house())
    engine = Engine(house)
    door = portal.Portal(engine, loop)
    watch = asyncio.create_task(door.watch())
    try:
        await engine.start()
        upstream = UpstreamServer(server_folder(), house.secret("pipelines_key"))
        host = Host(engine, upstream, os.environ.get(MANAGEMENT) == "on")
        portal.host(door)
        async with upstream.lifespan():
            upstream.hush()
            yield host
            await host.turns.end(DRAIN)
            door.end_turns()
    finally:
        portal.host(None)
        watch.cancel()
        await engine.close()


class Application:
    """The ASGI application: a lifespan, and the host that lives in it."""

    def __init__(self) -> None:
        self._host: Host | None = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one connection of any kind."""
        if scope["type"] == "lifespan":
            await self._live(receive, send)
        elif scope["type"] == "websocket":
            await send({"type": "websocket.close", "code": 1008})
        elif self._host is None:
            await send_problem(send, Problem(503, "The server is starting."))
        else:
            try:
                await self._host.serve(scope, receive, send)
            except Exception as fault:  # noqa: BLE001 - whatever it is, its words stay out of the log
                log.error("A request failed: %s", outline(fault))
                with suppress(RuntimeError):  # uvicorn's, when the answer has already begun
                    await send_problem(send, Problem(500, "Something went wrong in the house."))

    async def _live(self, receive: Receive, send: Send) -> None:
        begun = False
        try:
            await receive()
            async with opened() as self._host:
                begun = True
                await send({"type": "lifespan.startup.complete"})
                await receive()
        except Exception as fault:  # noqa: BLE001 - uvicorn prints the message and ends
            text = str(fault) if isinstance(fault, MaitreError) else outline(fault)
            what = "lifespan.shutdown.failed" if begun else "lifespan.startup.failed"
            await send({"type": what, "message": text})
        else:
            await send({"type": "lifespan.shutdown.complete"})
        finally:
            self._host = None


app = Application()
