"""The nouns of the queue's tests: capacities, tickets, and a line that is only a state."""

from __future__ import annotations

import itertools
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from typing import Any

from maitre.queue import fair
from maitre.queue.fair import State
from maitre.queue.line import Capacity, Ticket, ms

NOON = datetime(2026, 11, 21, 12, tzinfo=UTC)
AT_NOON = ms(NOON)

_numbers = itertools.count(1)


def after(seconds: float) -> datetime:
    """So many seconds after noon."""
    return NOON + timedelta(seconds=seconds)


def capacity(slots: int = 1, **changed: Any) -> Capacity:
    """What a provider takes; many may wait for long unless said."""
    known: dict[str, Any] = {
        "provider": "gpu",
        "max_tokens_in_flight": None,
        "max_waiting_per_user": 1000,
        "max_waiting": 5000,
        "max_wait": 600.0,
    }
    return Capacity(max_concurrent=slots, **(known | changed))


def ticket(user: str = "ann", id: str | None = None, *, weight: int = 1, **changed: Any) -> Ticket:
    """A call that wants a place; its id is new unless said."""
    known: dict[str, Any] = {"model": "small", "tokens": 100, "prompt_tokens": 50, "max_tokens": 50}
    return Ticket(id or f"{user}-{next(_numbers)}", user, weight, **(known | changed))


class Desk:
    """One line as a pure state, at noon unless said: every step seats whoever can be seated."""

    def __init__(self, slots: int = 1, **changed: Any) -> None:
        self.capacity = capacity(slots, **changed)
        self.state = State(born=AT_NOON)
        self.served: list[Ticket] = []

    def come(self, ticket: Ticket, now: int = AT_NOON) -> list[str]:
        """Somebody arrives, and may wait; the ids that were seated."""
        assert fair.enter(self.state, self.capacity, ticket, now)
        return self.seat(now)

    def go(self, id: str, now: int = AT_NOON) -> list[str]:
        """Somebody leaves; the ids that were seated."""
        fair.leave(self.state, id, now)
        return self.seat(now)

    def seat(self, now: int) -> list[str]:
        """Seat whoever can be seated."""
        seated = fair.seat(self.state, self.capacity, now)
        self.served += [self.state.seated[id].ticket for id in seated]
        return seated

    def serve(self, turns: int) -> list[str]:
        """So many calls end, the longest seated first; the users who were seated."""
        before = len(self.served)
        for _ in range(turns):
            self.go(next(iter(self.state.seated)))
        return [ticket.user_id for ticket in self.served[before:]]


def users(tickets: Iterable[Ticket]) -> str:
    """Whose tickets these are, by the first letters."""
    return "".join(ticket.user_id[0] for ticket in tickets)
