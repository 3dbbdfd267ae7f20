"""`/v1/chat/completions`."""

from __future__ import annotations

from dataclasses import replace

from gateway import open_webui
from gateway.answers import Problem
from gateway.api.api import Api
from gateway.caller import Caller
from gateway.exchange import Exchange


async def completions(api: Api, exchange: Exchange, caller: Caller) -> None:
    """A chat completion, whole or streamed."""
    body = await exchange.body()
    model = body.get("model")
    if not isinstance(model, str) or not model:
        raise Problem(400, "The request does not say which model: “model” is missing.")
    request = api.engine.request_of(caller.user, api.engine.public_id(model), body)
    request = replace(request, id=exchange.id, key=caller.key)
    if caller.key is None:
        request = open_webui.told(request, exchange)
    await api.turns.serve(request, exchange.receive, exchange.send)
