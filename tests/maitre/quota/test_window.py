"""Calendar windows: days of 23 and 25 hours, ends of months, and zones whose midnight does not exist."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from maitre.quota.window import periods

KYIV = ZoneInfo("Europe/Kyiv")

#: Zones with daylight saving at midnight, at odd hours, by half an hour, with odd offsets, and with none.
ZONES = (
    "UTC",
    "Europe/Kyiv",
    "America/New_York",
    "America/Santiago",
    "America/Havana",
    "Africa/Cairo",
    "Asia/Beirut",
    "Australia/Lord_Howe",
    "Pacific/Apia",
    "Asia/Kathmandu",
    "Pacific/Kiritimati",
    "Africa/Casablanca",
    "Europe/Dublin",
)

CASES = yaml.safe_load((Path(__file__).parents[2] / "cases" / "calendar.yaml").read_text("utf-8"))


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case['zone']} {case['now']}")
def test_the_windows_of_a_moment(case: dict[str, str]) -> None:
    """A moment's day and month are the house's, and begin and reset at its midnights."""
    found = periods(datetime.fromisoformat(case["now"]), ZoneInfo(case["zone"]))
    assert (found.day, found.month) == (case["day"], case["day"][:7])
    assert found.day_starts == datetime.fromisoformat(case["began"])
    assert found.day_resets == datetime.fromisoformat(case["resets"])
    assert found.month_resets == datetime.fromisoformat(case["month_resets"])


@given(
    now=st.datetimes(datetime(2025, 1, 1), datetime(2036, 1, 1), timezones=st.just(UTC)),
    zone=st.sampled_from(ZONES).map(ZoneInfo),
)
def test_a_moment_lies_in_its_own_windows(now: datetime, zone: ZoneInfo) -> None:
    """Every moment is at or after the beginning of its windows and before their reset, in any zone."""
    found = periods(now, zone)
    assert found.month_starts <= found.day_starts <= now < found.day_resets <= found.month_resets
    assert found.day.startswith(found.month)


@given(
    now=st.datetimes(datetime(2025, 1, 1), datetime(2036, 1, 1), timezones=st.just(UTC)),
    zone=st.sampled_from(ZONES).map(ZoneInfo),
)
def test_windows_follow_one_another_without_a_gap(now: datetime, zone: ZoneInfo) -> None:
    """The next day begins exactly when this one resets, and has another name; so does the next month."""
    found = periods(now, zone)
    tomorrow, next_month = periods(found.day_resets, zone), periods(found.month_resets, zone)
    assert tomorrow.day_starts == found.day_resets
    assert tomorrow.day > found.day
    assert next_month.month_starts == found.month_resets
    assert next_month.month > found.month
    yesterday = periods(found.day_starts - timedelta(microseconds=1), zone)
    assert yesterday.day_resets == found.day_starts


def test_the_moments_are_in_utc_whatever_the_clock_says() -> None:
    """The clock's own zone changes nothing, and what comes out can be compared and stored."""
    here = datetime(2026, 11, 21, 14, tzinfo=KYIV)
    assert periods(here, KYIV) == periods(here.astimezone(UTC), KYIV)
    assert periods(here, KYIV).day_resets.tzinfo is UTC


def test_the_counters_are_named_by_resource_and_window() -> None:
    """Yesterday's counter has another name than today's, so that nothing need be reset."""
    found = periods(datetime(2026, 11, 21, 12, tzinfo=UTC), KYIV)
    assert found.fields("tokens") == ("tokens:day:2026-11-21", "tokens:month:2026-11", "tokens:total")
