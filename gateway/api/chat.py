"""`/v1/chat/completions`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from gateway.answers import Problem
from gateway.api.api import Api
from gateway.caller import Caller
from gateway.exchange import Exchange
from gateway.session_id import session_of
from maitre.chat.message import TurnRequest


async def completions(api: Api, exchange: Exchange, caller: Caller) -> None:
    """A chat completion, whole or streamed."""
    request = asked(api, exchange, caller, await exchange.body())
    await api.turns.serve(request, exchange.receive, exchange.send)


def asked(api: Api, exchange: Exchange, caller: Caller, body: Mapping[str, Any]) -> TurnRequest:
    """The turn that a body asks for. Raises Problem (400)."""
    model = body.get("model")
    if not isinstance(model, str) or not model:
        raise Problem(400, "The request does not say which model: “model” is missing.")
    request = api.engine.request_of(caller.user, api.engine.public_id(model), body)
    session = session_of(exchange, body) if caller.key is not None else None
    return replace(request, id=exchange.id, key=caller.key, session_id=session, notes=exchange.headers)
