"""Who calls the public API: the owner of an API key or of a token for one, or a user whom Open WebUI vouches for."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass

from gateway import identity, key_tokens, on_behalf
from gateway.addresses import Addresses
from gateway.answers import Problem
from gateway.asgi import header
from gateway.exchange import Exchange
from gateway.keys import right_key
from gateway.replays import Replays
from maitre.accounts.account import Arrived
from maitre.app import Engine
from maitre.chat.message import guest_of
from maitre.errors import Forbidden
from maitre.keys.entrance import enter
from maitre.keys.key import Key, split
from maitre.keys.keys import Opened

MISSING = "The API key is missing. Send it as “Authorization: Bearer mtr-…”."
WRONG = "The API key is wrong, expired or revoked."
TOO_MANY = "Too many wrong API keys came from your address. Try again in {wait} seconds."


@dataclass(frozen=True, slots=True)
class Caller:
    """Of whom the door is sure. `user` has id, email and name, as far as they are known; `key` is None when Open WebUI
    asks for its user, whose own address nobody knows."""

    user: dict[str, str]
    key: Key | None
    address: str = ""
    mark: str = ""  # of the key's secret
    token: bool = False  # a token was shown, not the key itself
    groups: tuple[str, ...] = ()  # Open WebUI's of the user, where its connection tells them
    arrived: Arrived | None = None  # the account, if finding out who calls has read it
    behalf: on_behalf.Behalf | None = None  # the house's RAG service asks, for the user


class Callers:
    """Finds out who calls."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._house_key = engine.house.secret("gateway_key")
        self._rag_key = engine.house.secret("rag_key") if engine.house.rag is not None else None
        self._user_jwt = engine.house.secret("user_jwt")
        self.token_secret = engine.house.secret("key_tokens")
        self._replays = Replays()
        self._addresses = Addresses(engine.house.trusted_proxies)

    def is_open_webui(self, exchange: Exchange) -> bool:
        """Whether Open WebUI asks, for whichever of its users."""
        return right_key(header(exchange.scope, b"authorization"), self._house_key)

    async def who(self, exchange: Exchange, *, welcomed: bool = False, served: bool = False) -> Caller:
        """The caller of a request. `welcomed`: whether the handler itself asks the reception for the account, which a
        suspended one does not pass. `served`: whether the house's RAG service may ask, too. Raises Problem (401, 403,
        429), Forbidden, StoreDown."""
        told = header(exchange.scope, b"authorization")
        if self._rag_key is not None and right_key(told, self._rag_key):
            return await self._on_behalf(exchange, welcomed=welcomed, served=served)
        if self.is_open_webui(exchange):
            user = await self._vouched(exchange)
            arrived = None if welcomed else await self._arrived(user)
            return Caller(user, None, groups=identity.groups(exchange.scope), arrived=arrived)
        address = await self._addresses.client(exchange.scope)
        if wait := self._engine.guesses.wait(address):
            raise _too_many(wait)
        if len(told) != 1 or told[0][:7].lower() != b"bearer ":
            raise Problem(401, MISSING, {"WWW-Authenticate": "Bearer"})
        text = told[0][7:].decode("latin-1").strip()
        token = "." in text  # a key has none
        opened = await (self._by_token(text) if token else self._engine.keys.check(text))
        if opened is None:
            told_id = parts[0] if (parts := split(text)) else ""
            self._engine.diary.failed("auth.wrong", "", address, target=told_id, token=token)
            if wait := await self._engine.guesses.failed(address):
                self._engine.diary.failed("auth.blocked", "", address, seconds=wait)
                raise _too_many(wait)
            raise Problem(401, WRONG, {"WWW-Authenticate": "Bearer"})
        await self._admit(opened, address)
        return Caller({"id": opened.key.user_id}, opened.key, address, opened.mark, token, arrived=opened.arrived)

    async def _on_behalf(self, exchange: Exchange, *, welcomed: bool, served: bool) -> Caller:
        if not served:
            raise Problem(403, "The RAG service's key does not open this route.")
        behalf = on_behalf.read(exchange.header(on_behalf.HEADER), self._rag_key or "", time.time())
        if behalf is None:
            self._engine.diary.failed("auth.wrong", "", await self._addresses.client(exchange.scope), door="rag")
            raise Problem(401, "The request does not say on whose behalf it is made, or too late.")
        arrived = None if welcomed else await self._arrived(behalf.user())
        key = None
        if behalf.key_id:
            key = await self._engine.keys.find(behalf.key_id)
            if key is None or key.user_id != behalf.user_id:
                raise Problem(401, "The request is made on behalf of a key that there is not.")
        return Caller(behalf.user(), key, arrived=arrived, behalf=behalf)

    async def _arrived(self, user: Mapping[str, str]) -> Arrived:
        reception = self._engine.turns.reception
        account, _ = await reception.arrive(guest_of(user))
        return Arrived(account, reception.catalogue.version)

    async def _vouched(self, exchange: Exchange) -> dict[str, str]:
        try:
            user = identity.who(exchange.scope, self._user_jwt, self._replays, time.time()).user()
        except Problem:
            self._engine.diary.failed("auth.wrong", "", await self._addresses.client(exchange.scope), door="open webui")
            raise
        self._engine.diary.seen(user["id"])
        return user

    async def _by_token(self, token: str) -> Opened | None:
        claims = key_tokens.read(token, self.token_secret, time.time())
        return None if claims is None else await self._engine.keys.open(*claims)

    async def _admit(self, opened: Opened, address: str) -> None:
        reception, account, key = self._engine.turns.reception, opened.arrived.account, opened.key
        if opened.arrived.version != reception.catalogue.version:
            await reception.refresh()
        try:
            enter(key, reception.plan_of(account), address, suspended=account.suspended)
        except Forbidden as refused:
            self._engine.diary.failed("auth.refused", key.user_id, address, key=key.id, why=refused.key)
            raise


def _too_many(wait: int) -> Problem:
    return Problem(429, TOO_MANY.format(wait=wait), {"Retry-After": str(wait)})
