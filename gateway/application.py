"""What every server of ours is to uvicorn: a lifespan, and one request after another. No websockets."""

from __future__ import annotations

import logging
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager, suppress
from typing import Protocol

from gateway.answers import Problem, send_problem
from gateway.asgi import Receive, Scope, Send
from maitre.errors import MaitreError
from maitre.faults import outline

log = logging.getLogger(__name__)


class Server(Protocol):
    """What serves requests while it is open."""

    async def serve(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one HTTP request."""


class Application:
    """The ASGI application: a lifespan, and the server that lives in it."""

    def __init__(self, opened: Callable[[], AbstractAsyncContextManager[Server]]) -> None:
        self._opened = opened
        self._server: Server | None = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one connection of any kind."""
        if scope["type"] == "lifespan":
            await self._live(receive, send)
        elif scope["type"] == "websocket":
            await send({"type": "websocket.close", "code": 1008})
        elif self._server is None:
            await send_problem(send, Problem(503, "The server is starting."))
        else:
            try:
                await self._server.serve(scope, receive, send)
            except Exception as fault:  # noqa: BLE001 - whatever it is, its words stay out of the log
                log.error("A request failed: %s", outline(fault))
                with suppress(RuntimeError):  # uvicorn's, when the answer has already begun
                    await send_problem(send, Problem(500, "Something went wrong in the house."))

    async def _live(self, receive: Receive, send: Send) -> None:
        begun = False
        try:
            await receive()
            async with self._opened() as self._server:
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
            self._server = None
