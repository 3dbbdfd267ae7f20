"""How a client names its session: `session_id` in the body, or the header `X-Session-Id`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from gateway.answers import Problem
from gateway.asgi import header
from gateway.exchange import Exchange
from maitre.memory.session import is_id


def session_of(exchange: Exchange, body: Mapping[str, Any]) -> str:
    """The client's word for its session, or "" when it has none yet. Raises Problem (400)."""
    told = {value.decode("latin-1") for value in header(exchange.scope, b"x-session-id")}
    if body.get("session_id") not in (None, ""):
        told.add(body["session_id"] if isinstance(body["session_id"], str) else "\0")
    told.discard("")
    if len(told) > 1:
        raise Problem(400, "The request names two sessions.")
    for id in told:
        if not is_id(id):
            raise Problem(400, "A session's id is at most 128 letters, digits and signs of “. _ ~ : @ + = -”.")
        return id
    return ""
