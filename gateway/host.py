"""The guard before the unmodified upstream server, and the way to the engine for our own models."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from gateway import bodies, identity
from gateway.answers import Problem, send_json, send_problem
from gateway.asgi import Receive, Scope, Send, header
from gateway.intake import Intake
from gateway.keys import right_key
from gateway.own_turns import OwnTurns
from gateway.paths import CHAT, HEALTH, READY, methods_of, plain
from gateway.readiness import readiness
from gateway.replays import Replays
from gateway.upstream_server import UpstreamServer
from gateway.user_jwt import Claims
from maitre.app import Engine
from maitre.chat.inlet import is_ours


class Host:
    """Guards the upstream server, and serves our own models."""

    def __init__(
        self, engine: Engine, upstream: UpstreamServer, management: bool, clock: Callable[[], float] = time.time
    ) -> None:
        house = engine.house
        self._key, self._secret = house.secret("pipelines_key"), house.secret("user_jwt")
        self._upstream = upstream
        self._management = management
        self._replays, self._intake, self._clock = Replays(), Intake(), clock
        self.turns = OwnTurns(engine)

    async def serve(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one HTTP request."""
        path = scope["path"] if scope.get("raw_path") == scope["path"].encode() and scope["method"] == "GET" else ""
        try:
            if path == HEALTH:
                await send_json(send, {"status": "ok"})
            elif path == READY:
                await send_json(send, await readiness(self.turns.engine))
            else:
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
            self.turns.engine.diary.seen(claims.user_id)
        if claims is not None:
            await self._chat(scope, claims, receive, send)
            return
        async with self._intake.room(bodies.size_of(scope)):
            body = await bodies.read(receive)
        await self._upstream.serve(scope, bodies.replay(body, receive), send)

    async def _chat(self, scope: Scope, claims: Claims, receive: Receive, send: Send) -> None:
        async with self._intake.room(bodies.size_of(scope)):
            body = bodies.parse(await bodies.read(receive))
        identity.same_user(body, claims)
        if isinstance(model := body.get("model"), str) and is_ours(model):
            request = self.turns.engine.requests.request_of(claims.user(), model, body)
            request = replace(request, groups=identity.groups(scope))
            await self.turns.serve(request, receive, send)
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
