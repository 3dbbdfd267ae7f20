"""`/v1/chat/completions`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
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
    session = session_of(exchange, body) if caller.key is not None else None
    request = said_by(api, exchange, caller, body, session_id=session)
    if caller.key is None and caller.behalf is None:
        request = open_webui.told(request, exchange)
    if request.strict:
        check(body, CHAT, "messages")
    return request


def said_by(api: Api, exchange: Exchange, caller: Caller, body: Mapping[str, Any], **more: Any) -> TurnRequest:
    """A request with what the door knows of it, whatever it asks for; `more` are further fields of it."""
    model = api.engine.menu.public_id(body["model"])
    request = api.engine.requests.request_of(caller.user, model, body, caller.arrived)
    # Our stamps are for Open WebUI's own calls; a copied one must not be somebody's turn once more.
    vouched = caller.key is None and caller.behalf is None
    fields = {"stamp": request.stamp if vouched else None, **more}
    if caller.behalf is not None:
        fields |= {"house": True, "public": True, "turn_id": caller.behalf.turn_id, "record": caller.behalf.record}
    return replace(
        request,
        id=exchange.id,
        key=caller.key,
        address=caller.address,
        notes=exchange.headers,
        groups=caller.groups,
        **fields,
    )


def check(body: Mapping[str, Any], table: Mapping[str, Kind], *needed: str) -> None:
    """Raises Problem (400) for the first parameter that is missing or not as the table has it."""
    wrong = mistake(table, needed, body)
    if wrong is not None:
        raise Problem(400, wrong[1], param=wrong[0])
