"""`/v1/embeddings`."""

from __future__ import annotations

from gateway.api.api import Api
from gateway.api.chat import check, said_by
from gateway.caller import Caller
from gateway.exchange import Exchange
from maitre.chat.embedding_wire import EMBEDDING


async def create(api: Api, exchange: Exchange, caller: Caller) -> None:
    """The embeddings of one text or several."""
    body = await exchange.body()
    check(body, EMBEDDING, "model", "input")
    request = said_by(api, exchange, caller, body, stamp=None, kind="embedding", public=True)
    await api.turns.whole(request, exchange.receive, exchange.send, api.engine.embeddings.answer(request))
