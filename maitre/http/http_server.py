"""Runs a server of ours, and ends it well.

    python -m maitre.http.http_server gateway.public_api:app --port 8000 --notice 5 --drain 300

At SIGTERM or SIGINT it

    1 tells    for `--notice` seconds: its health paths answer 503 "draining" and every answer closes its connection,
               but all is served; a proxy that looks at them sends new work elsewhere
    2 drains   the listener and idle connections are closed; what has begun goes on, for at most `--drain` seconds
    3 cuts     what has not ended then gets a last word, and settles
    4 closes   the application, and ends with 0

A second signal goes on to 3 at once. uvicorn alone would then leave out 4, and would end by the signal.
"""

from __future__ import annotations

import argparse
import asyncio
import logging
import os
import socket
import time
from collections.abc import Callable
from types import FrameType
from typing import Any

from uvicorn import Config, Server
from uvicorn.importer import import_from_string

log = logging.getLogger(__name__)

#: Where our servers tell how they are.
HEALTH = ("/healthz", "/readyz", "/health")

LOOK = 0.05  # seconds between two looks at what is still under way
LAST_WORD = 3.0  # seconds for what is cut to say so and to end
CLOSE = 15.0  # seconds for the application to close; its own limits are below that

# Clients keep idle connections for 5 s (httpx) to 60 s (load balancers); whoever keeps them longer than the server
# sends now and then into one that is just being closed.
KEEP_ALIVE = 75


class Leaving:
    """The application, and from `begun` on one whose time has come: it says so where health is asked, and keeps no
    connection."""

    def __init__(self, app: Callable[..., Any]) -> None:
        self._app = app
        self.begun = False

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Serve one connection of any kind."""
        if not self.begun or scope["type"] != "http":
            await self._app(scope, receive, send)
        elif scope["method"] == "GET" and scope["path"] in HEALTH:
            headers = [(b"content-type", b"application/json"), (b"connection", b"close")]
            await send({"type": "http.response.start", "status": 503, "headers": headers})
            await send({"type": "http.response.body", "body": b'{"status": "draining"}'})
        else:

            async def last(event: Any) -> None:
                if event["type"] == "http.response.start":
                    event = {**event, "headers": [*event.get("headers", ()), (b"connection", b"close")]}
                await send(event)

            await self._app(scope, receive, last)


class DrainingServer(Server):
    """A server that ends as this file says. `notice` and `drain` are in seconds."""

    def __init__(self, config: Config, app: Leaving, notice: float, drain: float) -> None:
        super().__init__(config)
        self._app, self._notice, self._drain = app, notice, drain
        self._hurried = False

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """The first signal ends the server, the second one ends its patience."""
        self._hurried = self.should_exit
        self.should_exit = True

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Tell, drain, cut, close."""
        self._app.begun = True
        await self._while(lambda: True, self._notice)
        for server in self.servers:
            server.close()
        await self._while(self._busy, self._drain)
        if cut := self.server_state.tasks.copy():
            log.warning("%d requests had not ended when their time was over; they are cut.", len(cut))
            for task in cut:
                task.cancel()
            await asyncio.wait(cut, timeout=LAST_WORD)
        try:
            await asyncio.wait_for(self.lifespan.shutdown(), CLOSE)
        except TimeoutError:
            log.error("The application did not close within %g seconds; the process ends without it.", CLOSE)
            self._leave()
        if self.server_state.tasks:
            log.warning("A thread of a plugin does not come back; the process ends without it.")
            self._leave()

    def _busy(self) -> bool:
        # Again and again: one may have been accepted while the listener closed. An answer that is under way goes on.
        for connection in list(self.server_state.connections):
            connection.shutdown()
        return bool(self.server_state.connections or self.server_state.tasks)

    async def _while(self, so: Callable[[], bool], seconds: float) -> None:
        until = time.monotonic() + seconds
        while so() and not self._hurried and time.monotonic() < until:  # noqa: ASYNC110 - uvicorn tells nobody
            await asyncio.sleep(LOOK)

    def _leave(self) -> None:
        # The interpreter's own end would wait for threads that never return.
        logging.shutdown()
        os._exit(0)


def run(app: Callable[..., Any], port: int, *, host: str = "127.0.0.1", notice: float = 0, drain: float = 2) -> None:
    """Serve until a signal, and end as this file says. `notice` and `drain` are in seconds."""
    leaving = Leaving(app)
    config = Config(
        leaving,
        host=host,
        port=port,
        loop="uvloop",
        http="httptools",
        ws="none",
        log_level="warning",
        access_log=False,
        server_header=False,
        proxy_headers=False,
        timeout_keep_alive=KEEP_ALIVE,
    )
    DrainingServer(config, leaving, notice, drain).run()


def main() -> None:
    """The command line."""
    asked = argparse.ArgumentParser(description="Runs a server of ours.")
    asked.add_argument("app", help="MODULE:NAME of the ASGI application")
    asked.add_argument("--host", default="127.0.0.1", help="the address to listen on")
    asked.add_argument("--port", type=int, required=True)
    asked.add_argument("--notice", type=float, default=0, help="seconds in which it says that it will drain")
    asked.add_argument("--drain", type=float, default=2, help="seconds that open requests get to end")
    wanted = asked.parse_args()
    app = import_from_string(wanted.app)
    run(app, wanted.port, host=wanted.host, notice=wanted.notice, drain=wanted.drain)


if __name__ == "__main__":
    main()
