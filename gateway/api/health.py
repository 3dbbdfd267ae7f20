"""`/healthz` and `/readyz`: whether the process lives, and whether it can serve."""

from __future__ import annotations

from gateway.api.api import Api
from gateway.exchange import Exchange


async def alive(api: Api, exchange: Exchange) -> None:
    """The process lives."""
    await exchange.answer({"status": "ok"})
