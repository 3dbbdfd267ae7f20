"""`/healthz` and `/readyz`: whether the process lives, and whether it can serve."""

from __future__ import annotations

from gateway.answers import Problem
from gateway.api.api import Api
from gateway.exchange import Exchange
from maitre.errors import StoreDown


async def alive(api: Api, exchange: Exchange) -> None:
    """The process lives."""
    await exchange.answer({"status": "ok"})


async def ready(api: Api, exchange: Exchange) -> None:
    """Turns can be served: the catalogue was read, Postgres and Valkey answer."""
    try:
        await api.engine.ready()
    except StoreDown:
        raise Problem(503, "The house is not ready: a store does not answer.", {"Retry-After": "5"}) from None
    await exchange.answer({"status": "ready"})
