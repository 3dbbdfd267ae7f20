"""`/metrics`, for Prometheus. It tells nothing of any guest, but how busy a house is concerns the operator alone."""

from __future__ import annotations

import asyncio

from gateway.answers import Problem
from gateway.api.api import Api
from gateway.asgi import header
from gateway.exchange import Exchange
from gateway.keys import right_key
from gateway.measures import TYPE


async def metrics(api: Api, exchange: Exchange) -> None:
    """The process's numbers, for the key in `.maitre/secrets/metrics_key`."""
    if not right_key(header(exchange.scope, b"authorization"), api.engine.house.secret("metrics_key")):
        raise Problem(401, "The metrics' key is missing or wrong.", {"WWW-Authenticate": "Bearer"})
    engine = api.engine
    levels = {"tasks": len(asyncio.all_tasks()), "holds": engine.turns.pulse.holds}
    await exchange.text(api.measures.exposed(engine.counters(), levels, engine.connections()), TYPE)
