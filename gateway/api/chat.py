"""`/v1/chat/completions`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from gateway import open_webui
from gateway.answers import Problem
from gateway.api.api import Api
from gateway.caller import Caller
from gateway.exchange import Exchange
from gateway.session_id import session_of
from maitre.chat.message import TurnRequest
from maitre.chat.parameters import CHAT, MODEL, Kind, mistake


async def completions(api: Api, exchange: Exchange, caller: Caller) -> None:
    """A chat completion, whole or streamed."""
    request = asked(api, exchange, caller, await exchange.body())
    await api.turns.serve(request, exchange.receive, exchange.send)


def asked(api: Api, exchange: Exchange, caller: Caller, body: Mapping[str, Any]) -> TurnRequest:
    """The turn that a body asks for. Raises Problem (400)."""
    check(body, MODEL, "model")
    request = api.engine.request_of(
        caller.user,
        api.engine.public_id(body["model"]),
        body,
        caller.arrived,
        id=exchange.id,
        key=caller.key,
        address=caller.address,
        session_id=session_of(exchange, body) if caller.key is not None else None,
        notes=exchange.headers,
        groups=caller.groups,
    )
    if caller.key is None:
        request = open_webui.told(request, exchange)
    if request.strict:
        check(body, CHAT, "messages")
    return request


def check(body: Mapping[str, Any], table: Mapping[str, Kind], *needed: str) -> None:
    """Raises Problem (400) for the first parameter that is missing or not as the table has it."""
    wrong = mistake(table, needed, body)
    if wrong is not None:
        raise Problem(400, wrong[1], param=wrong[0])
