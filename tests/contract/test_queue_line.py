"""The line's contract, on the twin in memory and on Valkey alike."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import AsyncIterator, Coroutine
from datetime import timedelta
from pathlib import Path
from typing import Any, TypeVar

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule, run_state_machine_as_test

from maitre.queue.line import (
    GRACE,
    LEASE,
    Arrived,
    Capacity,
    Entry,
    Full,
    Line,
    Seated,
    Spent,
    Standing,
    Ticket,
    Waiting,
)
from maitre.queue.memory_line import MemoryLine
from maitre.queue.redis_line import RedisLine
from maitre.valkey.redis_wire import Valkey
from tests.contract.valkey.own_valkey import OwnValkey
from tests.contract.valkey.remembers import remembers
from tests.maitre.queue.people import NOON, after, capacity, ticket

pytestmark = pytest.mark.contract
T = TypeVar("T")
ONE = capacity(1)


@pytest.fixture(params=["memory", "valkey"])
async def line(request: pytest.FixtureRequest) -> AsyncIterator[Line]:
    """An empty Line."""
    if request.param == "memory":
        yield MemoryLine()
        return
    valkey = Valkey(request.getfixturevalue("valkey_url"))
    yield await redis_line(valkey)
    await valkey.close()


async def redis_line(valkey: Valkey) -> RedisLine:
    """An empty line in a Valkey that has lost nothing."""
    prefix = f"t-{uuid.uuid4().hex[:12]}"
    await remembers(valkey, prefix)
    return RedisLine(valkey, prefix=prefix)


async def names(line: Line, provider: str = "gpu", now: float = 0) -> tuple[str, str]:
    """The ids at the seats, and those in the line."""
    seen = await line.snapshot(provider, after(now))
    return " ".join(one.ticket.id for one in seen.seated), " ".join(one.ticket.id for one in seen.waiting)


def place(standing: object) -> int:
    """The position of one who waits."""
    assert isinstance(standing, Waiting), standing
    return standing.position


async def stand(line: Line, places: Capacity, one: Ticket, now: float = 0, **again: Any) -> Entry | Standing | None:
    """A ticket enters; how it stands then."""
    entry = await line.enter(places, one, after(now), **again)
    return (await line.look(places, [one.id], after(now)))[one.id] if isinstance(entry, Arrived) else entry


async def come(line: Line, *ids: str, places: Capacity = ONE, now: float = 0) -> list[Entry | Standing | None]:
    """A guest by each of these ids arrives."""
    return [await stand(line, places, ticket(id, id), now) for id in ids]


async def test_seats_then_places_then_seats_again(line: Line) -> None:
    """Who finds a seat sits, the others stand in line, and whoever leaves seats the next."""
    a, b, c = await come(line, "a", "b", "c")
    assert isinstance(a, Seated)
    assert (place(b), place(c)) == (1, 2)
    assert await names(line) == ("a", "b c")
    assert await line.leave(ONE, "a", NOON, None) == ("b",)
    standing = await line.look(ONE, ["a", "b", "c"], NOON)
    assert standing["a"] is None
    assert isinstance(standing["b"], Seated)
    assert place(standing["c"]) == 1


async def test_everything_may_be_repeated(line: Line) -> None:
    """A second enter, look or leave of the same id changes nothing."""
    await come(line, "a", "b")
    for _ in range(2):
        a, b = await come(line, "a", "b")
        assert isinstance(a, Seated)
        assert place(b) == 1
    assert await line.leave(ONE, "a", NOON, None) == ("b",)
    assert await line.leave(ONE, "a", NOON, None) == ()
    assert await line.leave(ONE, "never there", NOON, None) == ()
    assert await names(line) == ("b", "")


async def test_a_user_may_wait_with_so_many(line: Line) -> None:
    """One more is told that it did not enter, and is not there; other users are not concerned."""
    places = capacity(1, max_waiting_per_user=1)
    assert isinstance(await line.enter(places, ticket("ann", "a"), NOON), Seated)
    assert place(await stand(line, places, ticket("ann", "b"))) == 1
    assert await line.enter(places, ticket("ann", "c"), NOON) == Full()
    assert place(await stand(line, places, ticket("bob", "d"))) in (1, 2)
    assert (await line.look(places, ["c"], NOON))["c"] is None


async def test_only_so_many_wait_in_all(line: Line) -> None:
    """When the line is full nobody enters, but one who was there before; a free seat is taken all the same."""
    places = capacity(1, max_waiting=2)
    assert [isinstance(one, Seated) for one in await come(line, "a", "b", "c", places=places)] == [True, False, False]
    assert await come(line, "d", "e", places=places) == [Full(everybody=True)] * 2
    assert isinstance((await come(line, "f", places=capacity(1, provider="cloud", max_waiting=0)))[0], Seated)
    assert await line.enter(places, ticket("g", "g"), NOON, arrival=1) == Arrived(1)


async def test_a_process_may_look_after_very_many(line: Line) -> None:
    """More ids than a script's stack could hold are looked at in one step."""
    many = [str(number) for number in range(9000)]
    await come(line, "a", "b")
    standing = await line.look(ONE, ["a", *many, "b"], NOON)
    assert place(standing["b"]) == 1
    assert set(standing.values()) == {standing["a"], standing["b"], None}


async def test_who_gives_up_makes_room(line: Line) -> None:
    """A place in the middle of the line closes."""
    await come(line, "a", "b", "c", "d")
    assert await line.leave(ONE, "c", NOON, None) == ()
    assert await names(line) == ("a", "b d")


async def test_providers_have_lines_of_their_own(line: Line) -> None:
    """A full provider does not hold up another."""
    await come(line, "a", "b")
    assert isinstance((await come(line, "c", places=capacity(1, provider="cloud")))[0], Seated)
    assert await names(line, "cloud") == ("c", "")
    assert await names(line, "nobody's") == ("", "")


async def test_tokens_in_flight_bound_the_seats(line: Line) -> None:
    """The next waits for room of tokens and is not passed; where nobody sits even the largest may."""
    places = capacity(5, max_tokens_in_flight=100)
    for id, tokens in (("a", 60), ("b", 50), ("c", 5)):
        await line.enter(places, ticket(id, id, tokens=tokens), NOON)
    assert await names(line) == ("a", "b c")
    assert await line.leave(places, "a", NOON, None) == ("b", "c")
    await line.enter(places, ticket("d", "d", tokens=900), NOON)
    await line.leave(places, "b", NOON, None)
    assert await line.leave(places, "c", NOON, None) == ("d",)


async def test_the_place_of_a_killed_process_is_free_when_its_lease_ends(line: Line) -> None:
    """What nobody looks at leaves, seated or waiting; what is looked at stays however long it takes."""
    await come(line, "dead seated", "mine", "dead waiting", "later")
    for passed in range(5, LEASE, 5):
        assert place((await line.look(ONE, ["mine", "later"], after(passed)))["mine"]) == 1
    standing = await line.look(ONE, ["mine", "later", "dead waiting"], after(LEASE + 1))
    assert isinstance(standing["mine"], Seated)
    assert place(standing["later"]) == 2  # for that look, the dead one was alive
    assert (await line.look(ONE, ["mine", "later"], after(2 * LEASE)))["later"] is not None
    assert await names(line, now=2 * LEASE + 2) == ("mine", "later")
    assert place((await line.look(ONE, ["mine", "later"], after(2 * LEASE + 2)))["later"]) == 1


async def test_a_clock_that_went_back_keeps_no_lease_alive(line: Line) -> None:
    """After a jump back, what nobody looks at still leaves within one lease."""
    await come(line, "a", "b")
    await line.look(ONE, ["b"], after(-3600))
    standing = await line.look(ONE, ["b"], after(-3600 + LEASE))
    assert isinstance(standing["b"], Seated)


async def test_a_line_that_was_lost_is_entered_again_in_its_order(line: Line) -> None:
    """Those who wait get their order back by their arrival, and nobody is seated before those who are being served
    are known again; those are seated even where there are more than seats."""
    standings = await come(line, "a", "b", "c", "d", places=capacity(2))
    arrivals = {one.position: one.arrival for one in standings if isinstance(one, Waiting)}
    await lose(line)
    assert await line.look(ONE, ["a", "b", "c", "d"], after(1)) == dict.fromkeys("abcd")
    assert place(await stand(line, ONE, ticket("d", "d"), 1, arrival=arrivals[2])) == 1
    assert place(await stand(line, ONE, ticket("c", "c"), 1, arrival=arrivals[1])) == 1
    for id in "ab":
        again = await line.enter(ONE, ticket(id, id), after(1), seated_since=NOON)
        assert again == Seated(NOON)
    assert await names(line, now=1) == ("a b", "c d")
    assert await line.leave(ONE, "a", after(1 + GRACE), None) == ()
    assert await line.leave(ONE, "b", after(1 + GRACE), None) == ("c",)


async def lose(line: Line) -> None:
    """The store forgets everything."""
    if isinstance(line, MemoryLine):
        line.lose()
    if isinstance(line, RedisLine):
        await line._valkey.call("DEL", *await line._valkey.call("KEYS", f"{line._prefix}:*"))


async def test_a_newcomer_to_a_lost_line_waits_for_those_who_are_served(line: Line) -> None:
    """Nobody knows yet whose calls are running, so the first who comes takes no seat, and no second one is made."""
    await come(line, "a")
    await lose(line)
    assert place(await stand(line, ONE, ticket("new", "new"), 1)) == 1
    assert await line.enter(ONE, ticket("a", "a"), after(2), seated_since=NOON) == Seated(NOON)
    assert await names(line, now=1 + GRACE) == ("a", "new")
    assert await line.leave(ONE, "a", after(1 + GRACE), None) == ("new",)


async def test_a_clock_that_is_behind_does_not_end_the_silence(line: Line) -> None:
    """Whoever began the line anew may be ahead of the next; a clock that is set back far holds nobody up."""
    await come(line, "a")
    await lose(line)
    await stand(line, ONE, ticket("new", "new"), 1)
    assert place(await stand(line, ONE, ticket("next", "next"), 0.9)) == 2
    assert (await names(line, now=1)) == ("", "new next")
    standing = await line.look(ONE, ["new"], after(-3600))
    assert isinstance(standing["new"], Seated)


async def test_what_a_line_was_before_a_restart_is_not_believed(tmp_path: Path) -> None:
    """A disk may have an older line, in which a seat is free that was taken since."""
    server = OwnValkey(tmp_path)
    server.start()
    valkey = Valkey(server.url)
    await remembers(valkey, "maitre")
    line = RedisLine(valkey)
    await come(line, "a", "b")
    server.kill()
    server.start()
    assert await names(line) == ("", "")
    assert place(await stand(line, ONE, ticket("new", "new"), 1)) == 1
    assert await line.look(ONE, ["a", "b"], after(1)) == dict.fromkeys("ab")
    await line.enter(ONE, ticket("a", "a"), after(1), seated_since=NOON)
    await line.enter(ONE, ticket("b", "b"), after(1), arrival=1)
    assert await names(line, now=1 + GRACE) == ("a", "b new")
    await valkey.close()
    server.kill()


async def test_a_lost_line_that_nobody_served_goes_on_after_a_moment(line: Line) -> None:
    """The silence after a loss ends by itself."""
    assert place(await stand(line, ONE, ticket("a", "a"), arrival=1)) == 1
    assert isinstance((await line.look(ONE, ["a"], after(GRACE)))["a"], Seated)


async def test_the_waiting_time_is_learned_and_shared(line: Line) -> None:
    """Without a past nothing is told; after a call the next one's time is told, less what has passed."""
    await come(line, "a", "b", "c")
    standing = (await line.look(ONE, ["b"], NOON))["b"]
    assert isinstance(standing, Waiting)
    assert standing.eta is None
    assert await line.leave(ONE, "a", after(20), Spent("small", 50, 20.0, 50)) == ("b",)
    etas = []
    for passed in (20, 25, 30):
        standing = (await line.look(ONE, ["b", "c"], after(passed)))["c"]
        assert isinstance(standing, Waiting)
        assert standing.eta is not None
        etas.append(standing.eta)
    assert etas == pytest.approx([20, 15, 10], abs=2)
    seen = await line.snapshot("gpu", after(30))
    assert seen.waiting[0].eta == pytest.approx(10, abs=2)
    assert seen.seated[0].since == after(20)
    assert seen.waiting[0].since - NOON < timedelta(milliseconds=10)  # arrivals are numbered by the millisecond


async def test_an_operator_does_not_see_those_whose_process_died(line: Line) -> None:
    """A ticket whose lease has ended is not shown, even while nobody looks who would drop it; looking on, too."""
    await come(line, "a", "b", "c")
    assert await names(line, now=LEASE - 1) == ("a", "b c")
    assert await names(line, now=LEASE + 1) == ("", "")
    await line.look(ONE, ["a", "c"], after(20))
    assert await names(line, now=LEASE + 1) == ("a", "c")
    assert await names(line, now=20) == ("a", "b c")


async def test_a_part_that_was_evicted_does_not_break_the_line(valkey_url: str) -> None:
    """Valkey may drop single keys when its memory is full; the line is then begun again."""
    valkey = Valkey(valkey_url)
    for part in ("line", "waiting", "seated", "leases", "tickets", "guests"):
        line = await redis_line(valkey)
        await come(line, "a", "b", "c")
        await valkey.call("DEL", f"{line._prefix}:{{house}}:queue:gpu:{part}")
        assert await line.look(ONE, ["a", "b", "c"], NOON) == dict.fromkeys("abc")
    await valkey.close()


class Pair(RuleBasedStateMachine):
    """Both lines hear the same; both must answer the same."""

    url = ""

    @initialize(
        slots=st.integers(1, 3),
        tokens=st.none() | st.integers(50, 300),
        waiting=st.integers(0, 4),
        longest=st.integers(0, 6),
    )
    def open(self, slots: int, tokens: int | None, waiting: int, longest: int) -> None:
        self.runner = asyncio.Runner()
        self.valkey = Valkey(self.url)
        self.twin, self.real = MemoryLine(), self.run(redis_line(self.valkey))
        self.places = capacity(slots, max_tokens_in_flight=tokens, max_waiting_per_user=waiting, max_waiting=longest)
        self.now = 0.0
        self.tickets: list[Ticket] = []

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        return self.runner.run(work)

    def both(self, method: str, *values: Any, **named: Any) -> Any:
        """What both say to this, which must be one."""
        twin = self.run(getattr(self.twin, method)(*values, **named))
        real = self.run(getattr(self.real, method)(*values, **named))
        assert twin == real, (method, values)
        return twin

    @rule(milliseconds=st.sampled_from([0, 1, 500, 2999, 3000, 20_000, 30_000, 40_000, -20_000]))
    def time_passes(self, milliseconds: int) -> None:
        self.now += milliseconds / 1000

    @rule(user=st.integers(0, 4), weight=st.sampled_from([1, 1, 2, 3, 7]), tokens=st.integers(1, 200))
    def come(self, user: int, weight: int, tokens: int) -> None:
        one = ticket(
            f"u{user}",
            f"t{len(self.tickets)}",
            weight=weight,
            tokens=tokens,
            model=f"m{user % 2}",
            background=tokens % 2 == 1,
        )
        self.tickets.append(one)
        self.both("enter", self.places, one, after(self.now))

    @rule(number=st.integers(0, 30), served=st.booleans())
    def come_again(self, number: int, served: bool) -> None:
        if self.tickets:
            one = self.tickets[number % len(self.tickets)]
            again = {"seated_since": after(self.now - 9)} if served else {"arrival": number + 1}
            self.both("enter", self.places, one, after(self.now), **again)

    @rule(numbers=st.sets(st.integers(0, 30), max_size=9))
    def look(self, numbers: set[int]) -> None:
        self.both("look", self.places, [f"t{number}" for number in sorted(numbers)], after(self.now))

    @rule(number=st.integers(0, 30), spent=st.none() | st.tuples(st.integers(0, 90), st.integers(0, 60)))
    def leave(self, number: int, spent: tuple[int, int] | None) -> None:
        seen = self.run(self.twin.snapshot("gpu", after(self.now)))
        ids = [one.ticket.id for one in (*seen.seated, *seen.waiting)] or ["nobody"]
        used = None if spent is None else Spent("m0", spent[0], spent[1], 50)
        self.both("leave", self.places, ids[number % len(ids)], after(self.now), used)

    @rule()
    def lose(self) -> None:
        for line in (self.twin, self.real):
            self.run(lose(line))

    @invariant()
    def both_know_the_same(self) -> None:
        if hasattr(self, "runner"):
            self.both("snapshot", "gpu", after(self.now))

    def teardown(self) -> None:
        if hasattr(self, "runner"):
            self.run(self.valkey.close())
            self.runner.close()


def test_the_twin_and_valkey_never_differ(valkey_url: str) -> None:
    """Any sequence of events gets the same answers from both and leaves the same line."""
    machine = type("PairOnValkey", (Pair,), {"url": valkey_url})
    quick = settings(
        max_examples=80, stateful_step_count=30, deadline=None, suppress_health_check=[HealthCheck.too_slow]
    )
    run_state_machine_as_test(machine, settings=quick)


async def test_background_work_comes_after_its_users_own_questions(line: Line) -> None:
    """A chat's title that was asked for first is made last, and nobody else waits for that."""
    await line.enter(ONE, ticket("zoe", "z"), NOON)
    await line.enter(ONE, ticket("ann", "title", background=True), after(1))
    await line.enter(ONE, ticket("ann", "question"), after(2))
    await line.enter(ONE, ticket("bob", "other"), after(3))
    served = ["z"]
    while len(served) < 4:
        served += await line.leave(ONE, served[-1], after(4), None)
    assert served == ["z", "question", "other", "title"]
