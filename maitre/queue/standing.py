"""How everybody in a line stands: positions and waiting times, from the line's state and what was learned."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from copy import deepcopy

from maitre.queue.eta import Pace, Work, forecast
from maitre.queue.fair import Place, State, heavier, order, renew
from maitre.queue.line import Seated, Seen, Snapshot, Standing, Waiting, moment

#: For how long a forecast holds while nothing changes, ms.
FRESH = 1000


class Board:
    """One line's forecast, made anew when the line has changed, when something was learned, and every second."""

    def __init__(self) -> None:
        self._of: tuple[State, int, Mapping[str, Pace]] = (State(born=0), -1, {})
        self._at = 0
        self._line: dict[str, Waiting] = {}

    def standings(
        self, state: State, paces: Mapping[str, Pace], ids: Iterable[str], now: int
    ) -> dict[str, Standing | None]:
        """How these tickets stand; None of one that is not there."""
        found: dict[str, Standing | None] = {}
        for id in ids:
            if id in state.seated:
                found[id] = Seated(moment(state.seated[id].since))
            elif id in state.waiting:
                found[id] = self._waiting(state, paces, now)[id]
            else:
                found[id] = None
        return found

    def _waiting(self, state: State, paces: Mapping[str, Pace], now: int) -> dict[str, Waiting]:
        known, clock, learned = self._of
        fresh = known is state and clock == state.clock and learned == paces and 0 <= now - self._at < FRESH
        if not fresh:
            self._of, self._at, self._line = (state, state.clock, dict(paces)), now, line_of(state, paces, now)
        return self._line


def line_of(state: State, paces: Mapping[str, Pace], now: int) -> dict[str, Waiting]:
    """Everybody who waits, in their order."""
    ids = order(state)
    seated = [_work(place, now) for place in _seated(state)]
    waits = forecast(paces, seated, [_work(state.waiting[id]) for id in ids], state.slots)
    newest = heavier(state, ids)
    return {
        id: Waiting(position, wait, state.waiting[id].since, newest[id], state.clock)
        for position, (id, wait) in enumerate(zip(ids, waits, strict=True), 1)
    }


def snapshot_of(state: State, paces: Mapping[str, Pace], now: int) -> Snapshot:
    """The line as an operator sees it: without those whose leases have ended, whom the next look will drop."""
    state = deepcopy(state)
    renew(state, (), now)
    seated = _seated(state)
    places = {id: (state.waiting[id], waiting.eta) for id, waiting in line_of(state, paces, now).items()}
    return Snapshot(
        tuple(Seen(place.ticket, moment(place.since)) for place in seated),
        tuple(Seen(place.ticket, moment(place.since), eta) for place, eta in places.values()),
    )


def _seated(state: State) -> list[Place]:
    """Those at the seats, longest first."""
    return sorted(state.seated.values(), key=lambda place: (place.since, place.ticket.id))


def _work(place: Place, now: int | None = None) -> Work:
    ticket = place.ticket
    age = None if now is None else max(0, now - place.since) / 1000
    return Work(ticket.model, ticket.prompt_tokens, ticket.max_tokens, age)
