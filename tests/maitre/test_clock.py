"""The house's clock: Postgres's, whatever this machine's own is set to."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

import pytest

from maitre.clock import HouseClock

NOON = datetime(2026, 11, 21, 12, tzinfo=UTC)
DAY = timedelta(days=1)


class Uptime:
    """Seconds since the machine began; nobody can set them."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.mark.parametrize("start", [NOON, NOON + 400 * DAY, NOON - 400 * DAY])
def test_what_postgres_says_goes_on(start: datetime) -> None:
    """Whatever a machine's clock was at the start, the house's is Postgres's, and goes on with the machine's uptime."""
    uptime = Uptime()
    clock = HouseClock(start, uptime)
    assert clock() == start
    assert clock.set(NOON) == NOON - start
    uptime.now += 5
    assert clock() == NOON + timedelta(seconds=5)


@pytest.mark.parametrize("step", [DAY, -DAY, timedelta(hours=2), timedelta(0), timedelta(milliseconds=-3)])
def test_how_far_it_was_set_is_told(step: timedelta) -> None:
    """A step of Postgres's clock is followed at once, both ways, and its size is known."""
    uptime = Uptime()
    clock = HouseClock(NOON, uptime)
    uptime.now += 2
    assert clock.set(clock() + step) == step
    assert clock() == NOON + timedelta(seconds=2) + step


def test_two_processes_have_one_time() -> None:
    """Processes whose machines differ by hours, and began at different times, tell the same once they have asked."""
    uptimes = Uptime(), Uptime()
    clocks = [
        HouseClock(NOON + hours * timedelta(hours=1), uptime) for hours, uptime in zip((-5, 7), uptimes, strict=True)
    ]
    uptimes[1].now = 77.0
    for clock in clocks:
        clock.set(NOON.astimezone(timezone(timedelta(hours=3))))
    for uptime in uptimes:
        uptime.now += 1
    assert [clock() for clock in clocks] == [NOON + timedelta(seconds=1)] * 2
