"""`/v1/embeddings`."""

from __future__ import annotations

from dataclasses import replace

from gateway.api.api import Api
from gateway.api.chat import check
from gateway.caller import Caller
from gateway.exchange import Exchange
from maitre.chat.embedding_wire import EMBEDDING


async def create(api: Api, exchange: Exchange, caller: Caller) -> None:
    """The embeddings of one text or several."""
    body = await exchange.body()
    check(body, EMBEDDING, "model", "input")
    model = api.engine.menu.public_id(body["model"])
    request = api.engine.requests.request_of(caller.user, model, body, caller.arrived)
    request = replace(
        request,
        id=exchange.id,
        stamp=None,
        key=caller.key,
        address=caller.address,
        kind="embedding",
        public=True,
        notes=exchange.headers,
    )
    await api.turns.whole(request, exchange.receive, exchange.send, api.engine.embeddings.answer(request))
