"""`/v1/usage`, `/v1/usage/history` and `/v1/queue`: what a caller may ask about themselves."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from gateway.answers import Problem
from gateway.api.api import Api
from gateway.caller import Caller
from gateway.exchange import Exchange
from maitre.chat.message import guest_of

#: Rows of a page: unless said, and at most.
PAGE, LARGEST_PAGE = 100, 1000


async def windows(api: Api, exchange: Exchange, caller: Caller) -> None:
    """Every window of the account and of the key."""
    found = await api.engine.enquiries.usage(guest_of(caller.user), caller.key)
    await exchange.answer({"object": "usage", "currency": api.engine.house.currency, **found})


async def history(api: Api, exchange: Exchange, caller: Caller) -> None:
    """The newest calls first. A key that does not manage sees its own."""
    query = _parameters(exchange, "limit", "before", "since", "key")
    limit = _number(query, "limit", PAGE)
    if not 1 <= limit <= LARGEST_PAGE:
        raise Problem(400, f"“limit” is a number from 1 to {LARGEST_PAGE}.")
    before = _number(query, "before", 0)
    key = query.get("key")
    if caller.key is not None and (caller.token or not caller.key.manages):
        if key not in (None, caller.key.id):
            raise Problem(403, "This key sees its own calls only.")
        key = caller.key.id
    rows = await api.engine.enquiries.history(guest_of(caller.user), key, _moment(query), before or None, limit)
    last = rows[-1]["id"] if len(rows) == limit else None
    await exchange.answer({"object": "list", "data": [_plain(row) for row in rows], "before": last})


async def whereabouts(api: Api, exchange: Exchange, caller: Caller) -> None:
    """How one request of the account stands."""
    found = await api.engine.enquiries.whereabouts(caller.user["id"], exchange.values["id"])
    if found is None:
        raise Problem(404, "There is no such request of yours.")
    await exchange.answer({"object": "queue.place", **_plain(found)})


async def waiting(api: Api, exchange: Exchange, caller: Caller) -> None:
    """The account's requests that wait in a line, or have a seat."""
    places = await api.engine.enquiries.waiting(caller.user["id"])
    await exchange.answer({"object": "list", "data": [_plain(place) for place in places]})


def _parameters(exchange: Exchange, *known: str) -> dict[str, str]:
    query = exchange.query
    for name, _ in query:
        if name not in known:
            raise Problem(400, f"“{name}” is no parameter here; there are: {', '.join(known)}.")
    if len(dict(query)) != len(query):
        raise Problem(400, "A parameter stands in the URL twice.")
    return dict(query)


def _number(query: Mapping[str, str], name: str, default: int) -> int:
    text = query.get(name)
    if text is None:
        return default
    if not (text.isascii() and text.isdigit() and len(text) <= 18):
        raise Problem(400, f"“{name}” is a whole number.")
    return int(text)


def _moment(query: Mapping[str, str]) -> datetime | None:
    text = query.get("since")
    if text is None:
        return None
    try:
        at = datetime.fromisoformat(text)
        return at.astimezone(UTC) if at.tzinfo else at.replace(tzinfo=UTC)
    except (ValueError, OverflowError):
        raise Problem(400, "“since” is a time such as 2026-11-21T18:00:00Z.") from None


def _plain(row: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value.isoformat() if isinstance(value, datetime) else value for name, value in row.items()}
