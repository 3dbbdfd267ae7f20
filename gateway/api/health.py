"""`/healthz` and `/readyz`: whether the process lives, and whether it can serve."""

from __future__ import annotations

from gateway.api.api import Api
from gateway.exchange import Exchange
from gateway.readiness import readiness


async def alive(api: Api, exchange: Exchange) -> None:
    """The process lives."""
    await exchange.answer({"status": "ok"})


async def ready(api: Api, exchange: Exchange) -> None:
    """Turns can be served: the catalogue was read, Postgres and Valkey answer."""
    await exchange.answer(await readiness(api.engine))
