"""The waiting room of a process: its calls wait here until the line has a seat for them.

One loop a provider looks for all of them at once: ten times a second while somebody waits (so that a seat that
another process gave back is taken soon), every two seconds while calls only run (their leases), never when nobody
is there. Who is seated by a call of this process that ends is woken at once.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Coroutine
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from math import ceil
from typing import Any

from maitre.errors import MaitreError, NoPlace
from maitre.queue.line import Arrived, Capacity, Entry, Full, Line, Seated, Spent, Standing, Ticket, Waiting
from maitre.queue.shown import Shown, shown

log = logging.getLogger(__name__)

LOOK = 0.1  # seconds between two looks while somebody waits
LOOK_SEATED = 2.0  # while nobody does; below line.GRACE

#: A wait this many times longer than allowed is refused at the first look; below that, the forecast may be wrong.
CLEARLY = 1.5

#: Whoever waits is told that the house is down when its line has not answered for this long. Seconds.
PATIENCE = 10.0

RETRY = 10  # seconds, where nothing better is known

Tell = Callable[[Waiting], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class Seat:
    """The right to make one call; give it back with `WaitingRoom.leave`."""

    capacity: Capacity
    ticket: Ticket
    waited: float  # seconds


@dataclass(slots=True)
class _Guest:
    """A ticket of this process."""

    ticket: Ticket
    standing: Standing | Arrived
    arrival: int | None = None
    fault: MaitreError | None = None
    news: asyncio.Event = field(default_factory=asyncio.Event)

    def hear(self, standing: Standing | Arrived) -> None:
        """How it stands now. Whoever sits stays seated: an older answer may come late."""
        if isinstance(self.standing, Seated):
            return
        if not isinstance(standing, Seated):
            self.arrival = standing.arrival
        if isinstance(standing, Arrived):
            return
        if standing != self.standing:
            self.standing = standing
            self.news.set()


class _Desk:
    """What a process knows of one provider's line."""

    def __init__(self, capacity: Capacity) -> None:
        self.capacity = capacity
        self.guests: dict[str, _Guest] = {}
        self.stir = asyncio.Event()  # somebody waits, or nobody is left
        self.loop: asyncio.Task[None] | None = None
        self.down_since: float | None = None

    def forget(self, id: str) -> None:
        """This one has left, or never was here."""
        self.guests.pop(id, None)
        if not self.guests:
            self.stir.set()

    def waiting(self) -> list[_Guest]:
        """Those who do not sit yet, first come first."""
        found = [guest for guest in self.guests.values() if not isinstance(guest.standing, Seated)]
        return sorted(found, key=lambda guest: guest.arrival or 0)

    def seated(self) -> list[_Guest]:
        """Those who sit."""
        return [guest for guest in self.guests.values() if isinstance(guest.standing, Seated)]


class WaitingRoom:
    """Seats calls in front of all providers. One for a process; all its methods run on one event loop."""

    def __init__(self, line: Line, clock: Callable[[], datetime]) -> None:
        self._line, self._clock = line, clock
        self._desks: dict[str, _Desk] = {}
        self._background: set[asyncio.Task[None]] = set()

    async def seat(self, capacity: Capacity, ticket: Ticket, told: Tell) -> Seat:
        """Wait until the call may run. `told` hears the place in the line at the first look and whenever what is shown
        of it changes; it must not wait for its reader. Raises NoPlace or StoreDown. However it ends but by a Seat, also
        by cancellation, the place is given back at once."""
        begun = asyncio.get_running_loop().time()
        desk = self._desks.setdefault(capacity.provider, _Desk(capacity))
        desk.capacity = capacity
        try:
            entry = await self._line.enter(capacity, ticket, self._clock())
            if isinstance(entry, Full):
                raise self._full(capacity, entry)
            guest = _Guest(ticket, entry, entry.arrival if isinstance(entry, Arrived) else None)
            desk.guests[ticket.id] = guest
            self._keep_looking(desk)
            try:
                async with asyncio.timeout_at(begun + capacity.max_wait):
                    await self._wait(guest, capacity.max_wait, told)
            except TimeoutError:
                if not isinstance(guest.standing, Seated):
                    raise self._too_long(guest.standing, 0.0) from None
        except BaseException:
            desk.forget(ticket.id)
            self._later(self._give_back(capacity, ticket.id, None))
            raise
        return Seat(capacity, ticket, asyncio.get_running_loop().time() - begun)

    async def leave(self, seat: Seat, spent: Spent | None) -> None:
        """Give the seat back and seat the next. `spent` is None when the call was never made. Done even if the
        caller is cancelled; nothing is raised but that."""
        self._desks[seat.capacity.provider].forget(seat.ticket.id)
        await asyncio.shield(self._later(self._give_back(seat.capacity, seat.ticket.id, spent)))

    async def close(self) -> None:
        """Wait until all places that were given back are free, and stop looking. Those who still wait do not hear
        anything more."""
        if self._background:
            await asyncio.wait(self._background)
        for desk in self._desks.values():
            desk.guests.clear()
            if desk.loop is not None:
                desk.loop.cancel()
                with suppress(asyncio.CancelledError):
                    await desk.loop

    # ── one who waits ────────────────────────────────────────────────────────────────────────────────────

    async def _wait(self, guest: _Guest, max_wait: float, told: Tell) -> None:
        last: Shown | None = None
        while not isinstance(guest.standing, Seated):
            if guest.fault is not None:
                raise guest.fault
            guest.news.clear()
            if isinstance(guest.standing, Waiting):
                if last is None and (guest.standing.eta or 0.0) > CLEARLY * max_wait:
                    raise self._too_long(guest.standing, max_wait)
                now = shown(last, guest.standing)
                if last is None or (now.position, now.eta) != (last.position, last.eta):
                    await told(replace(guest.standing, position=now.position))
                last = now
            await guest.news.wait()

    def _full(self, capacity: Capacity, full: Full) -> NoPlace:
        """The refusal of one who may not wait."""
        if full.everybody:
            return self._too_long(full, 0.0)
        return NoPlace("queue_full_user", retry_after=RETRY, limit=capacity.max_waiting_per_user)

    def _too_long(self, standing: Standing | Entry, allowed: float) -> NoPlace:
        """The refusal: come back when the wait will be one that is allowed."""
        eta = standing.eta if isinstance(standing, Waiting) else None
        seconds = RETRY if eta is None else max(RETRY, ceil(eta - allowed))
        resets_at = self._clock() + timedelta(seconds=seconds)
        return NoPlace("queue_too_long", retry_after=seconds, resets_at=resets_at)

    # ── the loop of a provider ───────────────────────────────────────────────────────────────────────────

    def _keep_looking(self, desk: _Desk) -> None:
        if desk.waiting():
            desk.stir.set()
        if desk.loop is None or desk.loop.done():
            desk.loop = asyncio.create_task(self._look_while_needed(desk))

    async def _look_while_needed(self, desk: _Desk) -> None:
        while desk.guests:
            if desk.waiting():
                await asyncio.sleep(LOOK)
            else:
                desk.stir.clear()
                with suppress(TimeoutError):
                    await asyncio.wait_for(desk.stir.wait(), LOOK_SEATED)
            if desk.guests:
                await self._look_once(desk)

    async def _look_once(self, desk: _Desk) -> None:
        time = asyncio.get_running_loop().time()
        try:
            standings = await self._line.look(desk.capacity, list(desk.guests), self._clock())
            lost = [id for id, standing in standings.items() if standing is None]
            for guest in [*desk.seated(), *desk.waiting()]:  # so that nobody is seated on a seat that is taken
                if guest.ticket.id in lost:
                    await self._enter_again(desk, guest)
            for id, standing in standings.items():
                if standing is not None and id in desk.guests:
                    desk.guests[id].hear(standing)
            desk.down_since = None
        except MaitreError as fault:
            if desk.down_since is None:
                desk.down_since = time
                log.warning("The line of %s cannot be looked at: %s", desk.capacity.provider, fault)
            if time - desk.down_since >= PATIENCE:
                for guest in desk.waiting():
                    guest.fault = fault
                    guest.news.set()

    async def _enter_again(self, desk: _Desk, guest: _Guest) -> None:
        """The line has lost this ticket; take its place again, unless it left meanwhile."""
        if guest.ticket.id not in desk.guests:
            return
        since = guest.standing.since if isinstance(guest.standing, Seated) else None
        entry = await self._line.enter(
            desk.capacity, guest.ticket, self._clock(), arrival=guest.arrival, seated_since=since
        )
        if not isinstance(entry, Full):  # never of one that was there before
            guest.hear(entry)

    # ── places given back ────────────────────────────────────────────────────────────────────────────────

    async def _give_back(self, capacity: Capacity, id: str, spent: Spent | None) -> None:
        now = self._clock()
        try:
            seated = await self._line.leave(capacity, id, now, spent)
        except MaitreError as fault:
            log.warning("A place in the line of %s will be free when its lease ends: %s", capacity.provider, fault)
            return
        desk = self._desks[capacity.provider]
        for other in seated:
            if other in desk.guests:
                desk.guests[other].hear(Seated(now))

    def _later(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        """Safe from the cancellation of whoever asked for it."""
        task = asyncio.create_task(work)
        self._background.add(task)
        task.add_done_callback(self._background.discard)
        return task
