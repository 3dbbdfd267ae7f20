"""Who calls the public API: the owner of an API key, or a user whom Open WebUI vouches for."""

from __future__ import annotations

import time
from dataclasses import dataclass

from gateway import identity
from gateway.answers import Problem
from gateway.asgi import header
from gateway.exchange import Exchange
from gateway.keys import right_key
from gateway.replays import Replays
from maitre.app import Engine
from maitre.keys.key import Key

MISSING = "The API key is missing. Send it as “Authorization: Bearer mtr-…”."
WRONG = "The API key is wrong, expired or revoked."


@dataclass(frozen=True, slots=True)
class Caller:
    """Of whom the door is sure. `user` has id, email and name, as far as they are known; `key` is None when Open WebUI
    asks for its user."""

    user: dict[str, str]
    key: Key | None


class Callers:
    """Finds out who calls."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._house_key = engine.house.secret("gateway_key")
        self._secret = engine.house.secret("user_jwt")
        self._replays = Replays()

    def is_open_webui(self, exchange: Exchange) -> bool:
        """Whether Open WebUI asks, for whichever of its users."""
        return right_key(header(exchange.scope, b"authorization"), self._house_key)

    async def who(self, exchange: Exchange) -> Caller:
        """The caller of a request. Raises Problem (401), StoreDown."""
        told = header(exchange.scope, b"authorization")
        if self.is_open_webui(exchange):
            claims = identity.who(exchange.scope, self._secret, self._replays, time.time())
            return Caller(claims.user(), None)
        if len(told) != 1 or told[0][:7].lower() != b"bearer ":
            raise Problem(401, MISSING, {"WWW-Authenticate": "Bearer"})
        key = await self._engine.keys.check(told[0][7:].decode("latin-1").strip())
        if key is None:
            raise Problem(401, WRONG, {"WWW-Authenticate": "Bearer"})
        return Caller({"id": key.user_id}, key)
