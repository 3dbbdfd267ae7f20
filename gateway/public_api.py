"""The public, OpenAI-compatible API: one ASGI application on an engine of its own.

    MAITRE_HOUSE=… python -m maitre.http.http_server gateway.public_api:app --port …

Every route but health and the documents asks who calls. Every answer carries an id that finds its ledger rows and
its trace.
"""

from __future__ import annotations

import asyncio
import time
import uuid
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager

from gateway import bodies
from gateway.answers import Problem, problem_of
from gateway.api.api import Api
from gateway.api.routes import Route, routes_of
from gateway.application import Application
from gateway.asgi import Receive, Scope, Send
from gateway.caller import Callers
from gateway.collector import look_seldom
from gateway.exchange import Exchange
from gateway.intake import Intake
from gateway.measures import Measures
from gateway.own_turns import OwnTurns
from gateway.paths import plain
from gateway.quiet import hush
from maitre.app import Engine
from maitre.settings import find_house, load_house

DRAIN = 3.0  # seconds that cancelled turns get to end


class PublicAPI:
    """Finds the route and the caller of each request."""

    def __init__(self, engine: Engine) -> None:
        self.api = Api(engine, OwnTurns(engine), Callers(engine), Measures())
        self._intake = Intake()

    async def serve(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one HTTP request."""
        exchange = Exchange(scope, receive, send, uuid.uuid4().hex, self._intake)
        measures, began, name = self.api.measures, time.monotonic(), "none"
        measures.begun()
        try:
            route, exchange.values = _route(scope)
            name = route.path
            await self._serve(exchange, route)
        except Problem as problem:
            await exchange.refuse(problem)
        except bodies.Gone:
            return
        except Exception as fault:
            if exchange.status:
                raise
            refused = self.api.engine.turns.refusal_of(fault)
            await exchange.refuse(problem_of(refused, self.api.engine.turns.sentence(refused, None)))
        finally:
            # A status that nobody was told: the client had left, or the server failed.
            measures.ended(name, exchange.status or 499, time.monotonic() - began)

    async def _serve(self, exchange: Exchange, route: Route) -> None:
        if route.anybody is not None:
            await route.anybody(self.api, exchange)
        elif route.open_webui is not None and self.api.callers.is_open_webui(exchange):
            await route.open_webui(self.api, exchange)
        elif route.handler is not None:
            caller = await self.api.callers.who(exchange, welcomed=route.welcomes, served=route.served)
            await route.handler(self.api, exchange, caller)


def _route(scope: Scope) -> tuple[Route, Mapping[str, str]]:
    path = scope["path"]
    found = routes_of(path)
    if not found or not plain(path, scope.get("raw_path")):
        raise Problem(404, "There is nothing here.")
    if scope["method"] not in found:
        raise Problem(405, "This path does not take that method.", {"Allow": ", ".join(sorted(found))})
    return found[scope["method"]]


@asynccontextmanager
async def opened() -> AsyncIterator[PublicAPI]:
    """The public API of the house in MAITRE_HOUSE, with an engine on this loop."""
    hush(asyncio.get_running_loop())
    engine = Engine(load_house(find_house()))
    try:
        await engine.start()
        server = PublicAPI(engine)
        look_seldom()
        yield server
        await server.api.turns.end(DRAIN)
    finally:
        await engine.close()


app = Application(opened)
