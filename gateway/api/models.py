"""`/v1/models`."""

from __future__ import annotations

from gateway.api.api import Api
from gateway.caller import Caller
from gateway.exchange import Exchange
from maitre.chat.message import guest_of


async def every(api: Api, exchange: Exchange, caller: Caller) -> None:
    """The assistants and models that the caller may use, as OpenAI lists models."""
    offers = await api.engine.menu.offers(guest_of(caller.user), caller.key)
    await _answer(exchange, offers)


async def whole(api: Api, exchange: Exchange) -> None:
    """All that the house has, for Open WebUI: it keeps one list for all its users, and its own access grants say who
    sees what."""
    doors = ("assistants", "models")
    await _answer(
        exchange, [(f"{door}.{one['id']}", one["name"]) for door in doors for one in api.engine.menu.offered(door)]
    )


async def _answer(exchange: Exchange, offers: list[tuple[str, str]]) -> None:
    listed = [{"id": id, "object": "model", "created": 0, "owned_by": "maitre", "name": name} for id, name in offers]
    await exchange.answer({"object": "list", "data": listed})
