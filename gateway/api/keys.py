"""`/v1/key/…` and `/v1/token`: API keys made, listed, ended and renewed by their owners, and short-lived tokens.

Who may: a key that `manages` (not a token for it), and a user whom Open WebUI vouches for. An account whose role is
admin may act for others, whom `user` names. No key makes or renews one that is wider than itself.
"""

from __future__ import annotations

import secrets
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

from gateway import bodies, key_tokens
from gateway.answers import Problem
from gateway.api.api import Api
from gateway.caller import Caller
from gateway.exchange import Exchange
from maitre.accounts.account import Account
from maitre.chat.message import guest_of
from maitre.chat.text import clean
from maitre.errors import BadKey
from maitre.keys.bounds import bounded, wider
from maitre.keys.key import Key
from maitre.keys.limits import told_of
from maitre.keys.wish import seconds_of, wished

#: Live keys of one account.
MOST = 100

LONGEST_TOKEN = timedelta(hours=1)
USUAL_TOKEN = 15 * 60  # seconds
LONGEST_GRACE = timedelta(days=30)


async def generate(api: Api, exchange: Exchange, caller: Caller) -> None:
    """Make a key. Its text is in this answer, and nowhere else ever after."""
    body = await exchange.body()
    owner = await _owner(api, caller, body.pop("user", None))
    engine, now, user = api.engine, datetime.now(UTC), guest_of({"id": owner.user_id})
    with _told_why():
        key = wished(body, id=secrets.token_hex(8), user_id=owner.user_id, now=now, public=engine.menu.public_id)
        _, plan = await engine.turns.reception.arrive(user)
        key = bounded(key, plan, {id for id, _ in await engine.menu.offers(user, None)}, caller.key)
    if sum(one.live(now) for one in await engine.keys.of(owner.user_id)) >= MOST:
        raise Problem(400, f"An account has at most {MOST} live keys. Revoke one first.")
    text = await engine.keys.add(key)
    _note(api, caller, "key.generate", key, name=key.name, manages=key.manages)
    exchange.headers["Cache-Control"] = "no-store"
    await exchange.answer({"key": text, **_told(key, now)})


async def every(api: Api, exchange: Exchange, caller: Caller) -> None:
    """The account's keys, the newest first, without their secrets."""
    owner = await _owner(api, caller, dict(exchange.query).get("user"))
    now = datetime.now(UTC)
    keys = [_told(key, now) for key in await api.engine.keys.of(owner.user_id)]
    await exchange.answer({"object": "list", "data": keys})


async def revoke(api: Api, exchange: Exchange, caller: Caller) -> None:
    """End a key at once, and all its tokens."""
    key = await _named(api, caller, await exchange.body())
    ended = await api.engine.keys.revoke(key.id)
    if ended:
        _note(api, caller, "key.revoke", key)
    await exchange.answer({"id": key.id, "revoked": True, "was_live": ended})


async def rotate(api: Api, exchange: Exchange, caller: Caller) -> None:
    """A new secret for a key; the old one ends at once, or after `grace_seconds`."""
    body = await exchange.body()
    key = await _named(api, caller, body)
    given = body.get("grace_seconds") or 0
    with _told_why():
        grace = timedelta(0) if given == 0 else seconds_of("grace_seconds", given, LONGEST_GRACE)
    if caller.key is not None and caller.key.id != key.id and (what := wider(key, caller.key)):
        raise Problem(403, f"A key renews no wider one; that one has other {what}.")
    text = await api.engine.keys.rotate(key.id, grace)
    if text is None:
        raise Problem(400, "That key is revoked. Make another one.")
    _note(api, caller, "key.rotate", key, grace_seconds=grace.total_seconds())
    exchange.headers["Cache-Control"] = "no-store"
    await exchange.answer({"key": text, **_told(key, datetime.now(UTC))})


async def token(api: Api, exchange: Exchange, caller: Caller) -> None:
    """A short-lived token for the key that asks, to be sent in its place."""
    if caller.key is None or caller.token:
        raise Problem(403, "Only an API key itself is exchanged for a token.")
    body = await exchange.body() if bodies.size_of(exchange.scope) else {}
    with _told_why():
        span = seconds_of("expires_in", body.get("expires_in", USUAL_TOKEN), LONGEST_TOKEN).total_seconds()
    made = key_tokens.sign(caller.key.id, caller.mark, api.callers.token_secret, time.time(), span)
    _note(api, caller, "token.exchange", caller.key, seconds=int(span))
    exchange.headers["Cache-Control"] = "no-store"
    await exchange.answer({"token": made, "token_type": "Bearer", "expires_in": int(span)})


async def _owner(api: Api, caller: Caller, named: object) -> Account:
    """For whom the caller acts: itself, or of an admin whomever it names. Raises Problem (403, 404), Refusal."""
    if caller.key is not None and (caller.token or not caller.key.manages):
        raise Problem(403, "This API key may not manage keys.")
    if caller.key is not None and caller.key.limits:
        raise Problem(403, "An API key with limits of its own manages none: others have as much again.")
    own, _ = await api.engine.turns.reception.arrive(guest_of(caller.user))
    if named is None or named in (own.user_id, own.email):
        return own
    if own.role != "admin":
        raise Problem(403, "Only an administrator may act for somebody else.")
    whole = isinstance(named, str) and named != "" and named == clean(named)
    other = await api.engine.accounts.find(str(named)) if whole else None
    if other is None:
        raise Problem(404, "There is no such user.")
    return other


async def _named(api: Api, caller: Caller, body: Mapping[str, Any]) -> Key:
    """The key whose `id` the body tells. Somebody else's is as unknown as one that never was."""
    id = body.get("id")
    owner = await _owner(api, caller, body.get("user"))
    key = await api.engine.keys.find(id) if isinstance(id, str) else None
    if key is None or key.user_id != owner.user_id:
        raise Problem(404, "There is no such key.")
    return key


def _note(api: Api, caller: Caller, what: str, key: Key, **detail: object) -> None:
    """Into the action log, without any secret."""
    if key.user_id != caller.user["id"]:
        detail["user"] = key.user_id
    used = caller.key.id if caller.key else ""
    api.engine.diary.note(what, caller.user["id"], target=key.id, key=used, address=caller.address, **detail)


@contextmanager
def _told_why() -> Iterator[None]:
    try:
        yield
    except BadKey as bad:
        raise Problem(400, str(bad)) from bad


def _told(key: Key, now: datetime) -> dict[str, Any]:
    """A key as its owner reads it."""
    return {
        "object": "key",
        "id": key.id,
        "user": key.user_id,
        "name": key.name,
        "live": key.live(now),
        "created_at": key.created_at.isoformat(),
        "expires_at": _moment(key.expires_at),
        "revoked_at": _moment(key.revoked_at),
        "last_used_at": _moment(key.last_used_at),
        "models": list(key.models),
        "limits": told_of(key.limits),
        "networks": key.networks.to_json(),
        "manages": key.manages,
    }


def _moment(at: datetime | None) -> str | None:
    return None if at is None else at.isoformat()
