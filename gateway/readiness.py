"""Whether a process can serve, as `/readyz` of our servers tells it."""

from __future__ import annotations

from gateway.answers import Problem
from maitre.app import Engine
from maitre.errors import StoreDown


async def readiness(engine: Engine) -> dict[str, str]:
    """The answer while turns can be served: the catalogue was read, Postgres and Valkey answer. Raises Problem."""
    try:
        await engine.ready()
    except StoreDown:
        raise Problem(503, "The house is not ready: a store does not answer.", {"Retry-After": "5"}) from None
    return {"status": "ready"}
