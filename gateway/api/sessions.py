"""`/v1/sessions`: an account's own sessions, listed, read and deleted. Whatever is not the account's is not there."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from gateway.answers import Problem
from gateway.api.api import Api
from gateway.caller import Caller
from gateway.exchange import Exchange
from maitre.chat.text import clean
from maitre.memory.session import Session, SessionTurn

#: Sessions in one page, where the client does not say, and at most.
PAGE, LARGEST_PAGE = 20, 100

#: More turns than any session keeps.
ALL = 1_000

_OURS = "assistants."


async def listed(api: Api, exchange: Exchange, caller: Caller) -> None:
    """The newest made first: `limit` of them, those after the session `after`."""
    asked = dict(exchange.query)
    limit = asked.get("limit", str(PAGE))
    if not (limit.isascii() and limit.isdigit() and len(limit) < 4 and 1 <= int(limit) <= LARGEST_PAGE):
        raise Problem(400, f"“limit” is a number from 1 to {LARGEST_PAGE}.")
    size = int(limit)
    after = clean(asked["after"]) if "after" in asked else None
    found = await api.engine.sessions.of(caller.user["id"], size + 1, after, _assistants(caller))
    if found is None:
        raise Problem(400, "There is no session of that id to go on after.")
    page = [_session(one) for one in found[:size]]
    await exchange.answer({"object": "list", "data": page, "has_more": len(found) > size})


async def read(api: Api, exchange: Exchange, caller: Caller) -> None:
    """One session with its turns, the newest last, and the summary of the older ones if there is one."""
    session, turns = await _own(api, exchange, caller, ALL)
    told = [{"id": one.id, "created_at": _seconds(one.at), "messages": list(one.messages)} for one in turns]
    summary = {"summary": session.summary} if session.summary else {}
    await exchange.answer({**_session(session), **summary, "turns": told})


async def drop(api: Api, exchange: Exchange, caller: Caller) -> None:
    """Delete one session with its turns."""
    session, _ = await _own(api, exchange, caller, 0)
    await api.engine.sessions.drop(caller.user["id"], session.id)
    await exchange.answer({"id": session.id, "object": "session.deleted", "deleted": True})


async def _own(api: Api, exchange: Exchange, caller: Caller, limit: int) -> tuple[Session, list[SessionTurn]]:
    """The session that the path names, as it is when what was just said is kept. Raises Problem (404)."""
    user_id, id = caller.user["id"], exchange.values["id"]
    await api.engine.turns.keeping.done(user_id, id)
    found = await api.engine.sessions.read(user_id, id, limit)
    assistants = _assistants(caller)
    if found is None or (assistants is not None and found[0].assistant not in assistants):
        raise Problem(404, "There is no such session.")
    return found


def _assistants(caller: Caller) -> list[str] | None:
    """The assistants whose sessions the caller's key may see; None: all."""
    if caller.key is None or not caller.key.models:
        return None
    return [id.removeprefix(_OURS) for id in caller.key.models if id.startswith(_OURS)]


def _session(one: Session) -> dict[str, Any]:
    return {
        "id": one.id,
        "object": "session",
        "assistant": _OURS + one.assistant,
        "browser": one.browser,
        "created_at": _seconds(one.created_at),
        "used_at": _seconds(one.used_at),
    }


def _seconds(at: datetime) -> int:
    """Seconds since the epoch, as OpenAI tells times."""
    return int(at.timestamp())
