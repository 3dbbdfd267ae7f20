"""The lines in Valkey or Redis (7.0 or newer): one script, one round trip a step.

All keys of a line share the hash tag {house}. The script decides who is seated; positions and waiting times are
worked out here, from the whole line, which the script sends to one who looks when it has changed.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import astuple
from datetime import datetime
from importlib.resources import files
from typing import Any
from uuid import uuid4

from maitre.queue.eta import Pace
from maitre.queue.fair import Guest, Place, State
from maitre.queue.line import (
    GRACE,
    LEASE,
    Arrived,
    Capacity,
    Entry,
    Full,
    Seated,
    Snapshot,
    Spent,
    Standing,
    Ticket,
    moment,
    ms,
)
from maitre.queue.standing import Board, snapshot_of
from maitre.valkey.redis_wire import Script, Valkey

#: A line that nobody used for this long is forgotten; what was learned of the models, later. Seconds.
LIVES = 24 * 3600
LEARNED_LIVES = 30 * 24 * 3600

PARTS = ("line", "waiting", "seated", "leases", "tickets", "guests", "paces")
ANYTHING = Capacity("", 1, None, 0, 0.0)
EVERYBODY = 2  # what the script answers when the whole line is full


class _Copy:
    """What this process last heard of a line."""

    def __init__(self) -> None:
        self.version = ""
        self.state = State(born=0)
        self.paces: dict[str, Pace] = {}
        self.board = Board()


class RedisLine:
    """A Line in Valkey or Redis."""

    def __init__(self, valkey: Valkey, *, prefix: str = "maitre") -> None:
        self._valkey, self._prefix = valkey, prefix
        parts = (files("maitre.valkey") / "epoch.lua", files("maitre.queue") / "line.lua")
        self._script = Script("\n".join(part.read_text("utf-8") for part in parts))
        self._copies: dict[str, _Copy] = {}

    async def enter(
        self,
        capacity: Capacity,
        ticket: Ticket,
        now: datetime,
        *,
        arrival: int | None = None,
        seated_since: datetime | None = None,
    ) -> Entry:
        since = -1 if seated_since is None else ms(seated_since)
        number = -1 if arrival is None else arrival
        words = (ticket.id, _text(ticket), ticket.weight, number, since)
        refused, seated, arrived = await self._ask("enter", capacity, capacity.provider, now, "", *words)
        if refused:
            return Full(everybody=refused == EVERYBODY)
        return Arrived(int(arrived)) if seated is None else Seated(moment(int(seated)))

    async def look(self, capacity: Capacity, ids: Iterable[str], now: datetime) -> Mapping[str, Standing | None]:
        ids = list(ids)
        copy = self._copies.setdefault(capacity.provider, _Copy())
        _read(copy, await self._ask("look", capacity, capacity.provider, now, copy.version, *ids))
        copy.state.slots = capacity.max_concurrent
        return copy.board.standings(copy.state, copy.paces, ids, ms(now))

    async def leave(self, capacity: Capacity, id: str, now: datetime, spent: Spent | None) -> tuple[str, ...]:
        seated, paces = await self._ask("leave", capacity, capacity.provider, now, "", id)
        if spent is not None:
            await self._learn(capacity.provider, _paces(paces).get(spent.model, Pace()), spent)
        return tuple(other.decode() for other in seated)

    async def snapshot(self, provider: str, now: datetime) -> Snapshot:
        copy = _Copy()
        _read(copy, await self._ask("read", ANYTHING, provider, now, ""))
        return snapshot_of(copy.state, copy.paces, ms(now))

    async def _learn(self, provider: str, known: Pace, spent: Spent) -> None:
        """Two calls that end in the same moment in two processes may teach as one; a mean does not miss it."""
        key = self._keys(provider)[PARTS.index("paces")]
        await self._valkey.call("HSET", key, spent.model, json.dumps(astuple(known.learn(spent))))
        await self._valkey.call("EXPIRE", key, LEARNED_LIVES)

    async def _ask(
        self, step: str, capacity: Capacity, provider: str, now: datetime, version: str, *args: str | int
    ) -> Any:
        most = -1 if capacity.max_tokens_in_flight is None else capacity.max_tokens_in_flight
        limits = (capacity.max_concurrent, most, capacity.max_waiting_per_user, capacity.max_waiting)
        words = (step, ms(now), *limits, LEASE * 1000, GRACE * 1000, LIVES, version, uuid4().hex[:8], *args)
        return await self._valkey.run(self._script, self._keys(provider), words)

    def _keys(self, provider: str) -> list[str]:
        house = f"{self._prefix}:{{house}}"
        return [*(f"{house}:queue:{provider}:{part}" for part in PARTS), f"{house}:all"]


def _text(ticket: Ticket) -> str:
    """As the script keeps it: it reads the first three."""
    first = (ticket.tokens, ticket.user_id, ticket.background, ticket.id, ticket.weight, ticket.model)
    return json.dumps([*first, ticket.prompt_tokens, ticket.max_tokens])


def _ticket(text: bytes) -> Ticket:
    tokens, user_id, background, id, weight, model, prompt_tokens, max_tokens = json.loads(text)
    return Ticket(id, user_id, weight, model, tokens, prompt_tokens, max_tokens, background)


def _read(copy: _Copy, answer: Any) -> None:
    """Bring a copy up to date."""
    version, paces, *whole = answer
    copy.paces = _paces(paces)
    if not whole:
        return
    virtual, clock, born, slots, waiting, seated, tickets, guests, *leases = whole
    known = {id: _ticket(text) for id, text in _pairs(tickets)}
    copy.version = version.decode()
    copy.state = State(
        born=int(born),
        virtual=float(virtual),
        clock=int(clock),
        slots=int(slots),
        guests={user.decode(): _guest(guest) for user, guest in _pairs(guests)},
        waiting={id.decode(): Place(known[id], int(since)) for id, since in _pairs(waiting)},
        seated={id.decode(): Place(known[id], int(since)) for id, since in _pairs(seated)},
        leases={id.decode(): int(expiry) for expiries in leases for id, expiry in _pairs(expiries)},
    )


def _paces(flat: list[Any]) -> dict[str, Pace]:
    return {model.decode(): Pace(*json.loads(pace)) for model, pace in _pairs(flat)}


def _guest(text: bytes) -> Guest:
    weight, finish, start, since, newest = text.split()
    return Guest(int(weight), float(finish), None if start == b"-" else float(start), int(since), int(newest))


def _pairs(flat: list[Any]) -> Iterable[tuple[Any, Any]]:
    return zip(flat[::2], flat[1::2], strict=True)
