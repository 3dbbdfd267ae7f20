"""Who is next: worst-case fair weighted queueing (WF2Q) over users, where every turn costs the same.

Virtual time says how much of a turn a user of weight 1 has deserved so far. One turn advances it by
1 / Σ(weights) of the users that *count*: those who wait, and those whose last turn came earlier than they
deserved it, until they do. A user's next turn starts at `start`, the end of the last one or, after a pause, now,
and is deserved by `finish` = start + 1 / weight. Of the users whose turn has started the one that deserves it
first is seated; equal ones in the order in which they came to wait for it.

So a user's next turn comes at most Σ(weights) / own weight turns of the others after its start, whatever
arrives; a user never gets ahead of the fair share by a whole turn; and a seat never stays empty while somebody
waits, unless the tokens in flight have no room for the one who is next (who is not passed over, so that large
requests do not starve).

Times are milliseconds. `clock` numbers the arrivals and changes of one line: the time, made to grow with each.
The same rules stand in line.lua.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from heapq import heapify, heappop, heappush

from maitre.queue.line import GRACE, LEASE, Capacity, Ticket

ROUNDING = 1e-9  # of sums of fractions


@dataclass(slots=True)
class Guest:
    """A user who waits, or whose last turn came early."""

    weight: int
    finish: float  # of the last turn, in virtual time
    start: float | None = None  # of the next turn; None when nobody of this user waits
    since: int = 0  # when the user came to wait for it, by the line's clock
    newest: int = 0  # the last arrival


@dataclass(frozen=True, slots=True)
class Place:
    """A ticket in the line or at a seat, and since when: its arrival, or the time when it was seated."""

    ticket: Ticket
    since: int


@dataclass(slots=True)
class State:
    """The line of one provider."""

    born: int  # when the line was begun, ms
    lost: bool = False  # whether it was there before, and had to be begun again
    virtual: float = 0.0
    clock: int = 0
    slots: int = 1  # as last heard
    guests: dict[str, Guest] = field(default_factory=dict)
    waiting: dict[str, Place] = field(default_factory=dict)
    seated: dict[str, Place] = field(default_factory=dict)
    leases: dict[str, int] = field(default_factory=dict)  # expiry by id, ms

    def tick(self, now: int) -> int:
        """The next number of the line's clock."""
        self.clock = max(now, self.clock + 1)
        return self.clock


def enter(
    state: State, capacity: Capacity, ticket: Ticket, now: int, arrival: int | None = None, since: int | None = None
) -> bool:
    """Put a ticket that is not there into the line, or at its seat if it sat there `since`; False when its user
    may not wait with one more, or nobody may. Call `seat` before and after."""
    if (arrival is not None or since is not None) and now < state.born + GRACE * 1000:
        state.lost = True
    if since is not None:
        state.seated[ticket.id] = Place(ticket, since)
        state.tick(now)
    else:
        mine = sum(place.ticket.user_id == ticket.user_id for place in state.waiting.values())
        free = not state.waiting and room(state, capacity, ticket) and not hushed(state, now)
        if arrival is None and not free and (full(state, capacity) or mine >= capacity.max_waiting_per_user):
            return False
        number = state.tick(now)
        arrived = number if arrival is None else arrival
        state.waiting[ticket.id] = Place(ticket, arrived)
        guest = state.guests.setdefault(ticket.user_id, Guest(ticket.weight, state.virtual))
        guest.weight, guest.newest = ticket.weight, max(guest.newest, arrived)
        if guest.start is None:
            guest.start, guest.since = max(state.virtual, guest.finish), arrived
    state.leases[ticket.id] = now + LEASE * 1000
    return True


def full(state: State, capacity: Capacity) -> bool:
    """Whether nobody else may wait."""
    return len(state.waiting) >= capacity.max_waiting


def renew(state: State, ids: Iterable[str], now: int) -> None:
    """Let these tickets live on, and drop those that nobody renewed. A clock that went back keeps nothing alive."""
    latest = now + LEASE * 1000
    state.leases.update((id, latest) for id in ids if id in state.leases)
    for id, expiry in list(state.leases.items()):
        if expiry <= now:
            leave(state, id, now)
        elif expiry > latest:
            state.leases[id] = latest


def leave(state: State, id: str, now: int) -> None:
    """Take a ticket out, wherever it is. Its user's next one takes its place in the line."""
    if state.leases.pop(id, None) is None:
        return
    state.tick(now)
    if state.seated.pop(id, None) is None:
        user_id = state.waiting.pop(id).ticket.user_id
        if not any(place.ticket.user_id == user_id for place in state.waiting.values()):
            state.guests[user_id].start = None


def seat(state: State, capacity: Capacity, now: int) -> list[str]:
    """Seat everybody for whom there is a place, in their order; their ids."""
    state.slots = capacity.max_concurrent
    seated: list[str] = []
    while state.waiting and not hushed(state, now):
        user_id = next_user(state.guests, state.virtual)
        mine = sorted(own_turn(place) for place in state.waiting.values() if place.ticket.user_id == user_id)
        id = mine[0][-1]
        ticket = state.waiting[id].ticket
        if not room(state, capacity, ticket):
            break
        del state.waiting[id]
        state.seated[id] = Place(ticket, now)
        state.virtual = take_turn(state.guests, state.virtual, user_id, len(mine) > 1, state.tick(now))
        seated.append(id)
    return seated


def room(state: State, capacity: Capacity, ticket: Ticket) -> bool:
    """Whether the ticket could be seated now. Where nobody sits, the largest one can."""
    if len(state.seated) >= capacity.max_concurrent:
        return False
    limit = capacity.max_tokens_in_flight
    in_flight = sum(place.ticket.tokens for place in state.seated.values())
    return limit is None or not state.seated or in_flight + ticket.tokens <= limit


def hushed(state: State, now: int) -> bool:
    """Whether the line was lost a moment ago: nobody is seated until those being served are known again."""
    # Both ways: the clock of whoever began the line may be ahead of the caller's.
    return state.lost and abs(now - state.born) < GRACE * 1000


def next_user(guests: dict[str, Guest], virtual: float) -> str:
    """Whose turn it is; somebody must be waiting."""
    begun = max(virtual, min(guest.start for guest in guests.values() if guest.start is not None)) + ROUNDING
    _, _, user_id = min(
        (guest.start + 1 / guest.weight, guest.since, user_id)
        for user_id, guest in guests.items()
        if guest.start is not None and guest.start <= begun
    )
    return user_id


def take_turn(guests: dict[str, Guest], virtual: float, user_id: str, more: bool, clock: int) -> float:
    """Give a user the turn; the virtual time after it. `more`: the user has further tickets waiting."""
    guest = guests[user_id]
    assert guest.start is not None
    virtual = max(virtual, min(other.start for other in guests.values() if other.start is not None))
    guest.finish = guest.start + 1 / guest.weight
    guest.start, guest.since = guest.finish if more else None, clock
    left = 1.0  # of the turn to be shared out
    while True:
        for gone in [name for name, one in guests.items() if one.start is None and one.finish <= virtual]:
            del guests[gone]
        weights = sum(one.weight for one in guests.values())
        if not weights:
            return virtual
        ends = min((one.finish for one in guests.values() if one.start is None), default=None)
        if ends is None or virtual + left / weights <= ends:
            return virtual + left / weights
        left -= (ends - virtual) * weights
        virtual = ends


def own_turn(place: Place) -> tuple[bool, int, str]:
    """What a user's own tickets are ordered by: first come, first served, and background work last."""
    return place.ticket.background, place.since, place.ticket.id


def order(state: State) -> list[str]:
    """The ids of all that wait, in the order in which they would be served if nobody else came."""
    lines: dict[str, list[tuple[bool, int, str]]] = {}
    for place in state.waiting.values():
        lines.setdefault(place.ticket.user_id, []).append(own_turn(place))
    for line in lines.values():
        line.sort(reverse=True)
    weights = {user_id: guest.weight for user_id, guest in state.guests.items()}
    since = {user_id: guest.since for user_id, guest in state.guests.items()}
    starts = {user_id: guest.start for user_id, guest in state.guests.items() if guest.start is not None}
    paused = [(guest.finish, user_id) for user_id, guest in state.guests.items() if guest.start is None]
    later = [(start, user_id) for user_id, start in starts.items()]  # whose turn has not started
    due: list[tuple[float, int, str]] = []  # whose turn has
    for heap in (paused, later):
        heapify(heap)
    earliest = list(later)  # the starts of both, and such as have passed
    virtual, clock, counted = state.virtual, state.clock, sum(weights.values())
    served: list[str] = []
    # As next_user and take_turn say it, on heaps: with hundreds waiting those would take hundredfold.
    for _ in state.waiting:
        while starts.get(earliest[0][1]) != earliest[0][0]:
            heappop(earliest)
        virtual = max(virtual, earliest[0][0])
        while later and later[0][0] <= virtual + ROUNDING:
            start, user_id = heappop(later)
            heappush(due, (start + 1 / weights[user_id], since[user_id], user_id))
        finish, _, user_id = heappop(due)
        served.append(lines[user_id].pop()[-1])
        clock += 1
        if lines[user_id]:
            starts[user_id], since[user_id] = finish, clock
            heappush(later, (finish, user_id))
            heappush(earliest, (finish, user_id))
        else:
            del starts[user_id]
            heappush(paused, (finish, user_id))
        left = 1.0
        while True:
            while paused and paused[0][0] <= virtual:
                counted -= weights[heappop(paused)[1]]
            if not counted:
                break
            if not paused or virtual + left / counted <= paused[0][0]:
                virtual += left / counted
                break
            left -= (paused[0][0] - virtual) * counted
            virtual = paused[0][0]
    return served


def heavier(state: State, ids: Iterable[str]) -> dict[str, int]:
    """For each of the tickets, in their order, the newest arrival of a heavier user before it; 0 without one."""
    newest: dict[int, int] = {}
    found: dict[str, int] = {}
    for id in ids:
        guest = state.guests[state.waiting[id].ticket.user_id]
        found[id] = max((at for weight, at in newest.items() if weight > guest.weight), default=0)
        newest[guest.weight] = max(newest.get(guest.weight, 0), guest.newest)
    return found
