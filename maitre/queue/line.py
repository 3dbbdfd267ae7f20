"""The line in front of a provider, behind a Protocol: Valkey's in a house, the in-memory twin's in tests. One
contract suite (`tests/contract/test_queue_line.py`) holds both to the same behaviour.

A line knows two kinds of tickets: those *seated* (their upstream call may run) and those *waiting*. Every ticket
has a lease, which its process renews by looking; what nobody looks at any more leaves by itself. A line may lose
everything, as Valkey does when it comes back empty: then `look` knows nothing of a ticket, and it enters again.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Protocol

#: A ticket that nobody looked at for this long has left. Seconds.
LEASE = 30

#: After a line was lost nobody is seated for this long, so that those who are being served are known again first.
#: Longer than the pause between two looks of a process in which nobody waits. Seconds.
GRACE = 3

#: So many wait in front of one provider at most, whoever they are: whoever looks reads the whole line.
LONGEST = 500


@dataclass(frozen=True, slots=True)
class Capacity:
    """What a provider takes, and how long its guests may wait."""

    provider: str
    max_concurrent: int  # calls at once
    max_tokens_in_flight: int | None  # the sum of the seated tickets' tokens
    max_waiting_per_user: int
    max_wait: float  # seconds
    max_waiting: int = LONGEST  # of all users


@dataclass(frozen=True, slots=True)
class Ticket:
    """One call that wants a place."""

    id: str  # the hold's
    user_id: str
    weight: int  # the plan's times the role's, at least 1; a user has that of the newest ticket
    model: str
    tokens: int  # prompt and largest answer, for max_tokens_in_flight
    prompt_tokens: int
    max_tokens: int  # the clamp of the answer
    background: bool = False  # a chat's title and the like: after everything else that its user waits for


@dataclass(frozen=True, slots=True)
class Spent:
    """What a call took of its provider."""

    model: str
    tokens: int  # of the answer
    seconds: float  # from the call to its end
    prompt_tokens: int


@dataclass(frozen=True, slots=True)
class Seated:
    """The call may run."""

    since: datetime


@dataclass(frozen=True, slots=True)
class Arrived:
    """The call has entered the line; the next look says how it stands."""

    arrival: int  # its number in the order of arrival; a ticket that has to enter again brings it along


@dataclass(frozen=True, slots=True)
class Waiting:
    """The call has to wait."""

    position: int  # 1 is next
    eta: float | None  # seconds; None while nothing is known of the provider's speed
    arrival: int  # as in Arrived
    heavier: int  # the newest arrival of a heavier user before it in the line, 0 if there is none
    clock: int  # the line's, by which arrivals are numbered


@dataclass(frozen=True, slots=True)
class Full:
    """As many wait as may; this one did not enter."""

    everybody: bool = False  # whether the whole line is full, and not only this user's part of it


Entry = Seated | Arrived | Full
Standing = Seated | Waiting


@dataclass(frozen=True, slots=True)
class Seen:
    """A ticket as an operator sees it."""

    ticket: Ticket
    since: datetime  # seated or arrived
    eta: float | None = None  # of a waiting one, seconds


@dataclass(frozen=True, slots=True)
class Snapshot:
    """Who is served, longest first, and who waits, in the order in which they would be served now."""

    seated: tuple[Seen, ...]
    waiting: tuple[Seen, ...]


class Line(Protocol):
    """The lines of all providers. Every method may be repeated: a ticket is known by its id."""

    async def enter(
        self,
        capacity: Capacity,
        ticket: Ticket,
        now: datetime,
        *,
        arrival: int | None = None,
        seated_since: datetime | None = None,
    ) -> Entry:
        """Take a seat or a place in the line. A ticket that the line has lost brings its `arrival`, or, if its call
        is running, the time since when: it is then seated whatever the capacity."""

    async def look(self, capacity: Capacity, ids: Iterable[str], now: datetime) -> Mapping[str, Standing | None]:
        """Renew the leases of these tickets, drop all that have expired, seat whoever can be seated, and say how
        these stand; None of a ticket that the line does not know."""

    async def leave(self, capacity: Capacity, id: str, now: datetime, spent: Spent | None) -> tuple[str, ...]:
        """Give the seat or the place back and seat the next; the ids of all that were seated by this. What was
        `spent` teaches how fast the model is and how long its answers are."""

    async def snapshot(self, provider: str, now: datetime) -> Snapshot:
        """Who is there, without changing anything."""


def ms(at: datetime) -> int:
    """Milliseconds since the epoch."""
    return (at - datetime.fromtimestamp(0, UTC)) // timedelta(milliseconds=1)


def moment(milliseconds: int) -> datetime:
    """The time so many milliseconds after the epoch."""
    return datetime.fromtimestamp(0, UTC) + timedelta(milliseconds=milliseconds)
