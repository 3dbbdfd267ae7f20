"""The lines in memory: the twin of Valkey's, for tests and for one process without Valkey."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime

from maitre.queue import fair
from maitre.queue.eta import Pace
from maitre.queue.fair import State
from maitre.queue.line import Arrived, Capacity, Entry, Full, Seated, Snapshot, Spent, Standing, Ticket, moment, ms
from maitre.queue.standing import Board, snapshot_of


class MemoryLine:
    """A Line in a dictionary."""

    def __init__(self) -> None:
        self._states: dict[str, State] = {}
        self._paces: dict[str, dict[str, Pace]] = {}
        self._boards: dict[str, Board] = {}
        self._lost = False

    async def enter(
        self,
        capacity: Capacity,
        ticket: Ticket,
        now: datetime,
        *,
        arrival: int | None = None,
        seated_since: datetime | None = None,
    ) -> Entry:
        at = ms(now)
        state = self._state(capacity, at)
        known = ticket.id in state.leases
        fair.renew(state, [ticket.id], at)
        fair.seat(state, capacity, at)
        if not known:
            since = None if seated_since is None else ms(seated_since)
            if not fair.enter(state, capacity, ticket, at, arrival, since):
                return Full(everybody=fair.full(state, capacity))
            fair.seat(state, capacity, at)
        if ticket.id in state.seated:
            return Seated(moment(state.seated[ticket.id].since))
        return Arrived(state.waiting[ticket.id].since)

    async def look(self, capacity: Capacity, ids: Iterable[str], now: datetime) -> Mapping[str, Standing | None]:
        at, ids = ms(now), list(ids)
        state = self._state(capacity, at)
        fair.renew(state, ids, at)
        fair.seat(state, capacity, at)
        board = self._boards.setdefault(capacity.provider, Board())
        return board.standings(state, self._learned(capacity.provider), ids, at)

    async def leave(self, capacity: Capacity, id: str, now: datetime, spent: Spent | None) -> tuple[str, ...]:
        at = ms(now)
        state = self._state(capacity, at)
        fair.leave(state, id, at)
        fair.renew(state, (), at)
        seated = fair.seat(state, capacity, at)
        if spent is not None:
            paces = self._learned(capacity.provider)
            paces[spent.model] = paces.get(spent.model, Pace()).learn(spent)
        return tuple(seated)

    async def snapshot(self, provider: str, now: datetime) -> Snapshot:
        state = self._states.get(provider) or State(born=ms(now))
        return snapshot_of(state, self._learned(provider), ms(now))

    def lose(self) -> None:
        """Forget everything, as a Valkey that came back empty has."""
        self._states.clear()
        self._paces.clear()
        self._lost = True

    def _state(self, capacity: Capacity, now: int) -> State:
        return self._states.setdefault(capacity.provider, State(born=now, lost=self._lost))

    def _learned(self, provider: str) -> dict[str, Pace]:
        return self._paces.setdefault(provider, {})
