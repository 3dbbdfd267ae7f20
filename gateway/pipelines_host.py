"""The hardened host of the upstream Pipelines server: one ASGI application around the unmodified one.

    MAITRE_HOUSE=… PIPELINES_DIR=… python -m uvicorn gateway.pipelines_host:app

Every request carries the key, or is answered 401; only `GET /healthz` is not asked for it. Turns of our own models
are served here by the process's one engine; everything else by the upstream server's own code and its plugins.
"""

from __future__ import annotations

import asyncio
import json
import logging
import os
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from typing import Any

from gateway import bodies, identity
from gateway.answers import Problem, send_json, send_problem
from gateway.asgi import Receive, Scope, Send, header
from gateway.keys import right_key
from gateway.own_turns import OwnTurns
from gateway.paths import CHAT, HEALTH, methods_of, plain
from gateway.quiet import hush
from gateway.replays import Replays
from gateway.upstream_server import UpstreamServer
from gateway.user_jwt import Claims
from maitre import portal
from maitre.app import Engine
from maitre.chat.inlet import is_ours
from maitre.errors import MaitreError
from maitre.faults import outline
from maitre.pipelines_server import server_folder
from maitre.settings import find_house, load_house

log = logging.getLogger(__name__)

#: `on` opens the upstream server's routes that load, remove and describe plugins.
MANAGEMENT = "MAITRE_PIPELINES_MANAGEMENT"

DRAIN = 3.0  # seconds that cancelled turns get to end


class Host:
    """Guards the upstream server, and serves our own models."""

    def __init__(
        self, engine: Engine, upstream: UpstreamServer, management: bool, clock: Callable[[], float] = time.time
    ) -> None:
        house = engine.house
        self._key, self._secret = house.secret("pipelines_key"), house.secret("user_jwt")
        self._upstream = upstream
        self._management = management
        self._replays, self._clock = Replays(), clock
        self.turns = OwnTurns(engine)

    async def serve(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one HTTP request."""
        if (scope["method"], scope["path"], scope.get("raw_path")) == ("GET", HEALTH, HEALTH.encode()):
            await send_json(send, {"status": "ok"})
            return
        try:
            await self._guarded(scope, receive, send)
        except Problem as problem:
            await send_problem(send, problem)
        except bodies.Gone:
            return

    async def _guarded(self, scope: Scope, receive: Receive, send: Send) -> None:
        if not right_key(header(scope, b"authorization"), self._key):
            raise Problem(401, "The key is missing or wrong.", {"WWW-Authenticate": "Bearer"})
        path = scope["path"]
        methods = methods_of(self._upstream.routes, path, management=self._management)
        if not plain(path, scope.get("raw_path")) or not methods:
            raise Problem(404, "There is nothing here.")
        if scope["method"] not in methods:
            raise Problem(405, "This path does not take that method.", {"Allow": ", ".join(sorted(methods))})
        claims = None
        if path in CHAT:
            claims = identity.who(scope, self._secret, self._replays, self._clock())
        body = await bodies.read(scope, receive)
        if claims is not None:
            await self._chat(scope, body, claims, receive, send)
        else:
            await self._upstream.serve(scope, bodies.replay(body, receive), send)

    async def _chat(self, scope: Scope, raw: bytes, claims: Claims, receive: Receive, send: Send) -> None:
        body = bodies.parse(raw)
        identity.same_user(body, claims)
        if isinstance(model := body.get("model"), str) and is_ours(model):
            await self.turns.serve(body, claims, receive, send)
            return
        theirs = json.dumps(for_plugins(body, claims)).encode()
        headers = [(name, value) for name, value in scope["headers"] if name.lower() not in _REWRITTEN]
        headers += [(b"content-type", b"application/json"), (b"content-length", str(len(theirs)).encode())]
        await self._upstream.serve({**scope, "headers": headers}, bodies.replay(theirs, receive), send)


_REWRITTEN = (b"content-type", b"content-length", b"transfer-encoding")


def for_plugins(body: dict[str, Any], claims: Claims) -> dict[str, Any]:
    """The body as the upstream server's own code takes it: the user whom the token names, and no `content: null`."""
    messages = body.get("messages")
    if isinstance(messages, list):
        messages = [
            {**one, "content": ""} if isinstance(one, dict) and one.get("content", "") is None else one
            for one in messages
        ]
    return {**body, **({} if messages is None else {"messages": messages}), "user": claims.user()}


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
