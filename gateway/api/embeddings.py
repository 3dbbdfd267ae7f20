"""`/v1/embeddings`."""

from __future__ import annotations

from gateway.api.api import Api
from gateway.api.chat import check
from gateway.caller import Caller
from gateway.exchange import Exchange
from maitre.chat.embedding_wire import EMBEDDING


async def create(api: Api, exchange: Exchange, caller: Caller) -> None:
    """The embeddings of one text or several."""
    body = await exchange.body()
    check(body, EMBEDDING, "model", "input")
    request = api.engine.request_of(
        caller.user,
        api.engine.public_id(body["model"]),
        body,
        caller.arrived,
        id=exchange.id,
        key=caller.key,
        address=caller.address,
        kind="embedding",
        public=True,
        notes=exchange.headers,
    )
    await api.turns.whole(request, exchange.receive, exchange.send, api.engine.embeddings.answer(request))
