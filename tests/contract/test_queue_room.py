"""Waiting rooms, on the twin in memory and on Valkey alike: several processes share one line."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import suppress
from datetime import UTC, datetime, timedelta

import pytest

from maitre.errors import NoPlace, StoreDown
from maitre.queue.fair import State
from maitre.queue.line import LEASE, Capacity, Line, Spent, Ticket, Waiting
from maitre.queue.memory_line import MemoryLine
from maitre.queue.redis_line import RedisLine
from maitre.queue.room import Seat, WaitingRoom
from maitre.valkey.redis_wire import Valkey
from tests.contract.valkey.remembers import remembers
from tests.maitre.queue.people import capacity, ticket

pytestmark = pytest.mark.contract
ONE = capacity(1)
Lose = Callable[[], Awaitable[None]]


class Clock:
    """The time, moved by hand on top of its own course."""

    def __init__(self) -> None:
        self.ahead = 0.0

    def __call__(self) -> datetime:
        return datetime.now(UTC) + timedelta(seconds=self.ahead)


class House:
    """Processes that share the lines: each a room, on a connection of its own where there is one."""

    def __init__(self, url: str | None) -> None:
        self.url, self.prefix = url, f"r-{uuid.uuid4().hex[:12]}"
        self.clock = Clock()
        self.twin = MemoryLine()
        self.valkeys: list[Valkey] = []
        self.rooms: list[WaitingRoom] = []
        self.line = self.new_line()

    def new_line(self) -> Line:
        if self.url is None:
            return self.twin
        self.valkeys.append(Valkey(self.url))
        return RedisLine(self.valkeys[-1], prefix=self.prefix)

    def room(self) -> WaitingRoom:
        self.rooms.append(WaitingRoom(self.new_line(), self.clock))
        return self.rooms[-1]

    async def lose(self) -> None:
        """The store forgets all lines."""
        self.twin.lose()
        if self.valkeys and (keys := await self.valkeys[0].call("KEYS", f"{self.prefix}:*")):
            await self.valkeys[0].call("DEL", *keys)

    async def seen(self) -> tuple[list[str], list[str]]:
        """The ids at the seats and in the line."""
        seen = await self.line.snapshot("gpu", self.clock())
        return [one.ticket.id for one in seen.seated], [one.ticket.id for one in seen.waiting]

    async def until(self, seated: str, waiting: str) -> None:
        """Wait until exactly these sit and wait, the latter in this order."""

        async def so() -> bool:
            found = await self.seen()
            return (sorted(found[0]), found[1]) == (sorted(seated.split()), waiting.split())

        await until(so)


async def until(condition: Callable[[], Awaitable[bool]]) -> None:
    """Wait until something is so; a minute at most."""
    async with asyncio.timeout(60):
        while not await condition():  # noqa: ASYNC110 - a store has no event to wait for
            await asyncio.sleep(0.01)


@pytest.fixture(params=["memory", "valkey"])
async def house(request: pytest.FixtureRequest) -> AsyncIterator[House]:
    """A house without rooms yet."""
    house = House(None if request.param == "memory" else request.getfixturevalue("valkey_url"))
    if house.valkeys:
        await remembers(house.valkeys[0], house.prefix)
    yield house
    for room in house.rooms:
        await room.close()
    for valkey in house.valkeys:
        await valkey.close()


class Call:
    """A call that wants a seat in a room, and all that it was told meanwhile."""

    def __init__(self, room: WaitingRoom, one: Ticket, places: Capacity = ONE) -> None:
        self.told: list[Waiting] = []
        self.room = room
        self.task = asyncio.create_task(room.seat(places, one, self.hear))

    async def hear(self, waiting: Waiting) -> None:
        self.told.append(waiting)

    async def positions(self, *positions: int) -> None:
        """Wait until exactly these were told."""

        async def told() -> bool:
            return [waiting.position for waiting in self.told] == list(positions)

        await until(told)

    async def stop(self) -> None:
        """The guest presses Stop; one who sits already gives the seat back."""
        self.task.cancel()
        with suppress(asyncio.CancelledError):
            await self.end()

    async def end(self, spent: Spent | None = None) -> None:
        """Sit, and give the seat back."""
        await self.room.leave(await self.task, spent)


async def call(house: House, room: WaitingRoom, id: str, places: Capacity = ONE, **changed: int) -> Call:
    """A call that has arrived: it sits, or waits and was told so."""
    made = Call(room, ticket(id, id, **changed), places)

    async def there() -> bool:
        seated, waiting = await house.seen()
        return id in seated or (id in waiting and bool(made.told))

    await until(there)
    return made


async def test_the_next_is_seated_when_one_leaves(house: House) -> None:
    """Position by position, told at each change, and then the seat."""
    room = house.room()
    a, b, c = [await call(house, room, id) for id in "abc"]
    assert isinstance(await a.task, Seat)
    assert a.told == []
    await a.end()
    await c.positions(2, 1)
    await b.end()
    await c.task
    await b.positions(1)


async def test_two_processes_share_one_line(house: House) -> None:
    """A seat that one process gives back is taken by the other's, and there are never more than there are seats."""
    one, two = house.room(), house.room()
    places = capacity(2)
    calls = [await call(house, room, id, places) for id, room in zip("abcdef", [one, two] * 3, strict=True)]
    for number, sitting in enumerate(("a b", "b c", "c d", "d e", "e f")):
        await house.until(sitting, " ".join("abcdef"[number + 2 :]))
        await calls[number + 1].task
        await calls[number].end()


async def test_stop_while_waiting_frees_the_place_at_once(house: House) -> None:
    """The next in line moves up, and is told."""
    one, two = house.room(), house.room()
    a, b, c = await call(house, one, "a"), await call(house, one, "b"), await call(house, two, "c")
    await b.stop()
    await house.until("a", "c")
    await c.positions(2, 1)
    await a.end()
    await c.task


async def test_stop_just_after_being_seated_frees_the_seat(house: House) -> None:
    """A seat that nobody heard of is not kept."""
    room = house.room()
    a, b = await call(house, room, "a"), await call(house, room, "b")
    await house.line.leave(ONE, "a", house.clock(), None)  # b is seated, and its process does not know yet
    await house.until("b", "")
    await b.stop()
    await house.until("", "")
    assert isinstance(await a.task, Seat)


async def test_stop_on_the_way_in_leaves_nothing_behind(house: House) -> None:
    """However far the entry has come, a cancelled call takes no place."""
    room = house.room()
    for steps in range(9):
        one = Call(room, ticket("ann", f"a{steps}"))
        for _ in range(steps):
            await asyncio.sleep(0)
        await one.stop()
    await room.close()
    assert await house.seen() == ([], [])


async def test_a_cancelled_leave_still_gives_the_seat_back(house: House) -> None:
    """The end of a turn cannot be prevented by its own cancellation."""
    room = house.room()
    seat = await (await call(house, room, "a")).task
    leaving = asyncio.create_task(room.leave(seat, None))
    await asyncio.sleep(0)
    leaving.cancel()
    await house.until("", "")


async def test_a_guest_who_cannot_be_told_is_out(house: House) -> None:
    """When telling fails, the guest is gone, and so is the place."""
    room = house.room()
    await call(house, room, "a")

    async def gone(_: Waiting) -> None:
        raise ConnectionResetError

    with pytest.raises(ConnectionResetError):
        await room.seat(ONE, ticket("bob", "b"), gone)
    await house.until("a", "")


async def test_too_many_of_one_user_are_refused(house: House) -> None:
    """The refusal says how many may wait, and when to come again."""
    room, places = house.room(), capacity(1, max_waiting_per_user=1)
    calls = [await call(house, room, "a", places), Call(room, ticket("a", "b"), places)]
    await house.until("a", "b")
    with pytest.raises(NoPlace) as refused:
        await Call(room, ticket("a", "c"), places).task
    assert (refused.value.key, refused.value.values, refused.value.status) == ("queue_full_user", {"limit": 1}, 429)
    assert refused.value.retry_after
    await calls[0].end()
    await calls[1].end()


async def test_a_line_that_is_full_takes_nobody(house: House) -> None:
    """However few calls of one's own wait, one reads that too many people do, and when to come again."""
    room, places = house.room(), capacity(1, max_waiting=1)
    calls = [await call(house, room, id, places) for id in "ab"]
    with pytest.raises(NoPlace) as refused:
        await Call(room, ticket("cid", "c"), places).task
    assert refused.value.key == "queue_too_long"
    assert refused.value.retry_after
    assert "resets_at" in refused.value.values
    for made in calls:
        await made.end()


async def test_the_maximum_wait_is_kept(house: House) -> None:
    """Whoever has waited so long is refused, and the place is free."""
    room = house.room()
    await call(house, room, "a")
    with pytest.raises(NoPlace) as refused:
        await Call(room, ticket("bob", "b"), capacity(1, max_wait=0.15)).task
    assert refused.value.key == "queue_too_long"
    assert refused.value.retry_after
    assert "resets_at" in refused.value.values
    await house.until("a", "")


async def test_a_wait_that_is_clearly_too_long_is_refused_at_once(house: House) -> None:
    """Whoever would wait for many minutes is told when to come instead; one who may wait that long, waits."""
    room = house.room()
    first = await call(house, room, "a")
    await first.end(Spent("small", 50, 100.0, 50))
    await call(house, room, "b")
    hasty = Call(room, ticket("cid", "c"), capacity(1, max_wait=60))
    with pytest.raises(NoPlace) as refused:
        await hasty.task
    assert hasty.told == []
    assert refused.value.key == "queue_too_long"
    assert refused.value.retry_after == pytest.approx(40, abs=10)
    patient = await call(house, room, "d", capacity(1, max_wait=90))
    await patient.positions(1)
    assert patient.told[0].eta == pytest.approx(100, abs=10)


async def test_the_places_of_a_killed_process_become_free(house: House) -> None:
    """Its seats and its places in the line are gone when their leases end; those of the living stay."""
    dead, alive = house.room(), house.room()
    await call(house, dead, "a")
    await call(house, dead, "b")
    mine = await call(house, alive, "c")
    dead._desks["gpu"].loop.cancel()  # type: ignore[union-attr] # killed: it does not look any more
    house.clock.ahead = LEASE / 2
    assert (await house.line.look(ONE, ["c"], house.clock()))["c"] is not None
    house.clock.ahead = LEASE + 1
    await mine.task
    await house.until("c", "")


async def test_a_store_that_comes_back_empty_is_filled_again(house: House) -> None:
    """Flushed in the middle: the seated are known again as seated, the waiting keep their order, none is seated
    twice, and everybody is served in the end."""
    one, two = house.room(), house.room()
    calls = [await call(house, room, id) for id, room in zip("abcd", [one, two] * 2, strict=True)]
    await house.lose()
    await house.until("a", "b c d")
    for number, made in enumerate(calls):
        await made.task
        await house.lose()
        await house.until("abcd"[number], " ".join("abcd"[number + 1 :]))
        house.clock.ahead += 4  # longer than nobody is seated after a loss
        await made.end()


async def test_nobody_looks_where_nobody_is(house: House) -> None:
    """The loop ends with the last guest, and begins again with the next."""
    room = house.room()
    for id in "ab":
        made = await call(house, room, id)
        await made.task
        loop = room._desks["gpu"].loop
        assert loop is not None
        assert not loop.done()
        await made.end()
        await loop


class Broken(MemoryLine):
    """A line whose store can go away."""

    down = False

    def _state(self, capacity: Capacity, now: int) -> State:
        if self.down:
            raise StoreDown("Valkey does not answer.")
        return super()._state(capacity, now)


async def test_a_store_that_is_down_is_told_on_entry() -> None:
    """Nobody waits in a line that cannot be seen."""
    line = Broken()
    line.down = True
    room = WaitingRoom(line, Clock())
    with pytest.raises(StoreDown):
        await Call(room, ticket()).task
    await room.close()


async def test_a_short_outage_is_waited_out_and_a_long_one_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever waits goes on when the store is soon back, and else reads that it is down."""
    line = Broken()
    room = WaitingRoom(line, Clock())
    a, b = [Call(room, ticket(id, id)) for id in "ab"]
    await a.task
    line.down = True

    async def noticed() -> bool:
        return room._desks["gpu"].down_since is not None

    await until(noticed)
    line.down = False
    await a.end()
    await b.task
    c = Call(room, ticket("c", "c"))
    await c.positions(1)
    monkeypatch.setattr("maitre.queue.room.PATIENCE", 0.0)
    line.down = True
    with pytest.raises(StoreDown):
        await c.task
    await room.close()
