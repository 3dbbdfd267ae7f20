"""`/v1/models`."""

from __future__ import annotations

from gateway.api.api import Api
from gateway.caller import Caller
from gateway.exchange import Exchange


async def every(api: Api, exchange: Exchange, caller: Caller) -> None:
    """The assistants and models that the caller may use, as OpenAI lists models."""
    offers = await api.engine.offers(caller.user, caller.key)
    listed = [{"id": id, "object": "model", "created": 0, "owned_by": "maitre", "name": name} for id, name in offers]
    await exchange.answer({"object": "list", "data": listed})
