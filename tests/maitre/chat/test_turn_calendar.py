"""A turn over midnight, over the end of a month or a year, and under a clock that is set: a call counts in the windows
in which it was admitted, nothing is lost or counted twice, and the live windows say what the ledger says."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from maitre.chat.inlet import stamp_of
from maitre.chat.message import Guest
from maitre.chat.stamp import sign, verify
from maitre.queue.line import Capacity, ms
from maitre.quota.window import periods
from tests.maitre.chat.kitchen import FRANS, FREE, Kitchen, Plate, Reply, error_of, limited, text_in

KYIV, UTC_ZONE = ZoneInfo("Europe/Kyiv"), ZoneInfo("UTC")
OTHER = Guest("u2", "gus@x.io", "Gus")

#: The last midnight of a day: zone, and the day's date.
MIDNIGHTS: dict[str, tuple[ZoneInfo, tuple[int, int, int]]] = {
    "a-day": (UTC_ZONE, (2026, 11, 21)),
    "a-month": (UTC_ZONE, (2026, 11, 30)),
    "a-short-month": (KYIV, (2028, 2, 29)),
    "a-year": (KYIV, (2026, 12, 31)),
    "a-day-of-23-hours": (KYIV, (2026, 3, 29)),
    "the-day-before-it": (KYIV, (2026, 3, 28)),
    "a-day-of-25-hours": (KYIV, (2026, 10, 25)),
    "a-month-that-ends-in-the-west": (ZoneInfo("America/Los_Angeles"), (2026, 10, 31)),
}


@pytest.fixture(params=list(MIDNIGHTS.values()), ids=list(MIDNIGHTS))
def evening(request: pytest.FixtureRequest) -> Kitchen:
    """A house ten seconds before midnight; a plan of two requests a day, and a line with one seat."""
    zone, (year, month, day) = request.param
    house = Kitchen(zone=zone)
    midnight = datetime(year, month, day, tzinfo=zone).astimezone(UTC)
    while midnight.astimezone(zone).day == day:
        midnight += timedelta(minutes=30)
    house.clock.now = midnight - timedelta(seconds=10)
    house.registry.offer(limited(FREE, requests_per_minute=None, requests_per_day=2, tokens_per_month=9_000))
    return house


async def agree(kitchen: Kitchen, *moments: datetime) -> list[int]:
    """The books agree as of each moment; how many requests its day has."""
    await kitchen.settled()
    await kitchen.turns.settlements.resolve_doubts()
    assert [end.status for end in kitchen.books.settled.values()] == ["done"] * len(kitchen.books.calls)
    days = []
    for moment in moments:
        when = periods(moment, kitchen.turns.terms.zone)
        fields = (await kitchen.books.totals(FRANS, moment, when)).fields
        loaded = kitchen.true_store._loaded.get(FRANS)
        if loaded is not None and loaded.day == when.day:
            assert {name: loaded.fields[name] for name in fields} == fields
            assert loaded.holds == set()
        days.append(fields[when.fields("requests")[0]])
    return days


def begin(kitchen: Kitchen, **how: Any) -> tuple[asyncio.Task[None], Plate]:
    """A turn, begun, and what its guest gets."""
    plate = Plate()
    return asyncio.create_task(kitchen.turns.stream(kitchen.request(**how), plate)), plate


async def waiting(kitchen: Kitchen, count: int) -> None:
    """Wait until so many are in the line."""
    async with asyncio.timeout(5):
        while len((await kitchen.line.snapshot("local", kitchen.clock())).waiting) != count:  # noqa: ASYNC110
            await asyncio.sleep(0.001)


async def pass_time(kitchen: Kitchen, seconds: int) -> None:
    """Let time pass as it does in a house: every hold beats meanwhile, and every place in the line is looked at."""
    for _ in range(seconds // 20):
        kitchen.clock.advance(20)
        await kitchen.turns.pulse.beat()
        leases = kitchen.line._states["local"].leases
        async with asyncio.timeout(5):
            while min(leases.values()) < ms(kitchen.clock()) + 20_000:  # noqa: ASYNC110
                await asyncio.sleep(0.001)


def narrow(kitchen: Kitchen) -> asyncio.Event:
    """One seat, and a first call that keeps it until the event."""
    kitchen.queues["local"] = Capacity("local", 1, None, 10, 60.0)
    free = asyncio.Event()
    kitchen.model.replies = [Reply(stall=free), Reply()]
    return free


async def test_midnight_in_the_middle_of_a_stream(evening: Kitchen) -> None:
    """The call is one of the day on which it began, with all its tokens; the new day begins with nothing."""
    before = evening.clock()
    free = asyncio.Event()
    evening.model.replies = [Reply(stall=free), Reply()]
    task, plate = begin(evening)
    await evening.model.working.wait()
    evening.clock.advance(20)
    after = evening.clock()
    assert text_in(await asyncio.wait_for(_ask(evening), 5)) == "Hello there"
    free.set()
    await task
    assert text_in(plate.events) == "Hello there"
    assert await agree(evening, before, after) == [1, 1]
    assert [text_in(await evening.stream()) != "" for _ in range(2)] == [True, False], "two a day, not three"
    assert await agree(evening, before, after) == [1, 2]
    evening.clock.now = before
    assert [text_in(await evening.stream()) != "" for _ in range(2)] == [True, False]


async def _ask(kitchen: Kitchen) -> list[bytes]:
    task, plate = begin(kitchen)
    await task
    return plate.events


@pytest.mark.parametrize("come", [False, True], ids=["nobody-comes", "others-come"])
@pytest.mark.parametrize("lost", [False, True], ids=["kept", "lost"])
async def test_midnight_while_waiting_in_the_line(evening: Kitchen, come: bool, lost: bool) -> None:
    """A call that was admitted before midnight and is seated after it is one of the old day, whether the windows were
    loaded for the new day meanwhile, were lost, or neither; the new day has all of its own."""
    before, free = evening.clock(), narrow(evening)
    turns = [begin(evening)]
    await evening.model.working.wait()
    turns.append(begin(evening))
    await waiting(evening, 1)
    assert error_of(await _ask(evening))["code"] == 429, "the old day has two"
    evening.clock.advance(20)
    if come:
        turns += [begin(evening), begin(evening)]
        await waiting(evening, 3)
        assert error_of(await _ask(evening))["code"] == 429, "the new day has two, too"
    if lost:
        await evening.true_store.unload()
    free.set()
    await asyncio.wait([task for task, _ in turns])
    assert [text_in([one for one in plate.events if b"choices" in one]) for _, plate in turns] == ["Hello there"] * len(
        turns
    )
    assert await agree(evening, before, evening.clock()) == [2, 2 if come else 0]
    if not come:
        assert [text_in(await evening.stream()) != "" for _ in range(3)] == [True, True, False]
        assert await agree(evening, before, evening.clock()) == [2, 2]


async def test_a_lost_hold_does_not_meet_the_requests_of_its_wait(kitchen: Kitchen) -> None:
    """A call that waits for minutes, and whose hold is lost meanwhile, counts in its own minute: others that came
    later are not in its way, and it is not in theirs."""
    free = narrow(kitchen)
    kitchen.registry.offer(limited(FREE, requests_per_minute=2))
    first, _ = begin(kitchen, guest=OTHER)
    await kitchen.model.working.wait()
    turns = [begin(kitchen)]
    await waiting(kitchen, 1)
    await pass_time(kitchen, 80)
    turns += [begin(kitchen), begin(kitchen)]
    await waiting(kitchen, 3)
    assert error_of(await _ask(kitchen))["code"] == 429
    await kitchen.true_store.unload()
    free.set()
    await asyncio.wait([first, *(task for task, _ in turns)])
    assert [text_in(plate.events) for _, plate in turns] == ["Hello there"] * 3
    kitchen.balanced = False  # two guests: `check_books` knows one
    await agree(kitchen, kitchen.clock())


async def test_a_refusal_after_a_wait_tells_of_now(kitchen: Kitchen) -> None:
    """Where the room of a lost hold was given away, the guest who waited is refused, with a moment that is not over."""
    free = narrow(kitchen)
    kitchen.registry.offer(limited(FREE, requests_per_minute=None, requests_per_day=1))
    kitchen.clock.now = datetime(2026, 11, 21, 23, 59, 50, tzinfo=UTC)
    first, _ = begin(kitchen, guest=OTHER)
    await kitchen.model.working.wait()
    task, plate = begin(kitchen)
    await waiting(kitchen, 1)
    await kitchen.true_store.unload()
    second, other = begin(kitchen)
    await waiting(kitchen, 2)
    kitchen.clock.advance(20)
    free.set()
    await asyncio.wait([first, task, second])
    assert sorted(text_in([e for e in one.events if b"choices" in e]) for one in (plate, other)) == ["", "Hello there"]
    refused = error_of(plate.events if text_in(plate.events) == "" else other.events)
    assert refused["code"] == 429
    assert "00:00" in refused["message"]
    kitchen.balanced = False


# ── a clock that is set ──────────────────────────────────────────────────────────────────────────────────────

STEPS = {"minutes": 300, "hours": 7_200, "days": 5 * 86_400, "months": 70 * 86_400}


@pytest.mark.parametrize("ahead", [True, False], ids=["ahead", "back"])
@pytest.mark.parametrize("seconds", STEPS.values(), ids=STEPS)
async def test_a_clock_that_is_set_in_the_middle_of_a_stream(kitchen: Kitchen, seconds: int, ahead: bool) -> None:
    """The call lives on as long as its process beats, and is settled with its own numbers; who comes afterwards is
    served, and lives as long as its process beats, too."""
    kitchen.registry.offer(limited(FREE, requests_per_minute=2))
    frees = [asyncio.Event(), asyncio.Event()]
    kitchen.model.replies = [Reply(stall=frees[0]), Reply(stall=frees[1]), Reply()]
    first, _ = begin(kitchen)
    await kitchen.model.working.wait()
    await kitchen.turns.pulse.beat()
    kitchen.clock.advance(seconds if ahead else -seconds)
    await kitchen.turns.pulse.beat()
    assert await kitchen.turns.sweep() == 0
    kitchen.model.working.clear()
    second, _ = begin(kitchen)
    await kitchen.model.working.wait()
    for _ in range(8):
        kitchen.clock.advance(8)
        await kitchen.turns.pulse.beat()
    assert await kitchen.turns.sweep() == 0
    for free in frees:
        free.set()
    await asyncio.wait([first, second])
    assert text_in(await kitchen.stream()) == "Hello there"
    assert kitchen.rows() == [("turn", "done", True, 7, 2, False)] * 3
    await agree(kitchen, kitchen.clock())


@pytest.mark.parametrize("seconds", [61, *STEPS.values()])
async def test_a_clock_that_is_set_back_keeps_nobody_out(kitchen: Kitchen, seconds: int) -> None:
    """Requests that were made in what is the future now fill no minute; their day has them, should it come again."""
    for _ in range(5):
        assert text_in(await kitchen.stream()) == "Hello there"
    kitchen.clock.advance(-seconds)
    assert text_in(await kitchen.stream()) == "Hello there"
    await agree(kitchen, kitchen.clock())


async def test_a_sweep_by_a_clock_that_was_set_ahead_is_made_good(kitchen: Kitchen) -> None:
    """Another process may see the new time before this one has renewed its holds: what it charged is replaced."""
    free = asyncio.Event()
    kitchen.model.replies = [Reply(stall=free), Reply()]
    task, plate = begin(kitchen)
    await kitchen.model.working.wait()
    kitchen.clock.advance(86_400)
    assert await kitchen.turns.sweep() == 1
    assert text_in(await _ask(kitchen)) == "Hello there"
    free.set()
    await task
    await kitchen.settled()
    assert text_in(plate.events) == "Hello there"
    assert [row[1:] for row in kitchen.rows()] == [("done", True, 7, 2, False)] * 2
    await agree(kitchen, kitchen.clock())


@pytest.mark.parametrize(("ahead", "browser"), [(0, True), (1799, True), (1801, False), (-7200, True)])
async def test_a_stamp_near_its_expiry(kitchen: Kitchen, ahead: int, browser: bool) -> None:
    """A clock that is set ahead of a stamp's last second makes a bare call of the turn: served, as a request; one that
    is set back lets it live on."""
    made = kitchen.clock().timestamp()
    metadata = {"metadata": {"chat_id": "c"}}
    mark = sign(stamp_of(metadata, user_id="u1", model="assistants.coach", turn_id="a" * 32, now=made), "secret")
    kitchen.clock.advance(ahead)
    found = verify(mark, "secret", user_id="u1", model="assistants.coach", now=kitchen.clock().timestamp())
    assert (found is not None) == browser
    assert text_in(await kitchen.stream(stamp=found)) == "Hello there"
    assert [call.counted for call in kitchen.books.calls.values()] == [True]
