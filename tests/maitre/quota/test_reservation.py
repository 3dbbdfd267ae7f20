"""What a call asks for, and which window a refusal names."""

from __future__ import annotations

import math
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from maitre.quota.plan import Plan
from maitre.quota.reservation import Ask, Denied, ask, refusal

NOW = datetime(2026, 11, 21, 12, 0, 0, 250_000, tzinfo=UTC)
MIDNIGHT = datetime(2026, 11, 21, 22, 0, tzinfo=UTC)  # in Kyiv
MONTH_END = datetime(2026, 11, 30, 22, 0, tzinfo=UTC)
SOON = NOW + timedelta(seconds=20)
PLAN = Plan(
    "free",
    "Free",
    0,
    "USD",
    requests_per_minute=5,
    requests_per_month=200,
    tokens_per_day=1000,
    tokens_per_month=5000,
    tokens_total=9000,
)
ROOM = (0, 0, 0, 0)  # requests a month, tokens a day, a month, in total: nothing used


def asked(plan: Plan = PLAN, tokens: int = 100, kind: str = "turn", now: datetime = NOW) -> Ask:
    """A call of this size."""
    return ask(
        plan,
        user_id="u",
        hold_id="h",
        turn_id="t",
        kind=kind,
        tokens=tokens,
        now=now,
        ttl=timedelta(minutes=11),
        zone=ZoneInfo("Europe/Kyiv"),
    )


@dataclass(frozen=True)
class Case:
    """What was used and held, and the window that must be named."""

    what: str
    names: str
    resets_at: datetime | None
    used: tuple[int, int, int, int] = ROOM
    held: int = 0
    minute: datetime | None = None
    counted: bool = True
    left: int | None = None


CASES = [
    Case("the minute is full", "requests_minute", SOON, minute=SOON),
    Case("the month's requests are used", "requests_month", MONTH_END, used=(200, 0, 0, 0), left=0),
    Case("more than the month's requests are used", "requests_month", MONTH_END, used=(250, 0, 0, 0), left=0),
    Case("the day's tokens are used", "tokens_day", MIDNIGHT, used=(0, 1000, 0, 0), left=0),
    Case("the day's tokens do not suffice", "tokens_day", MIDNIGHT, used=(0, 901, 0, 0), left=99),
    Case("the month's tokens do not suffice", "tokens_month", MONTH_END, used=(0, 0, 4901, 0), left=99),
    Case("the total is used up", "tokens_total", None, used=(0, 0, 0, 9000), left=0),
    Case("the total outlasts every other window", "tokens_total", None, (200, 1000, 5000, 9000), 500, SOON),
    Case("the month outlasts the day and the minute", "tokens_month", MONTH_END, (0, 1000, 5000, 0), 0, SOON),
    Case("the day outlasts the minute", "tokens_day", MIDNIGHT, (0, 1000, 1000, 1000), 0, SOON),
    Case("only holds are in the way", "tokens_held", NOW + timedelta(seconds=5), (0, 500, 500, 500), 401),
    Case("a full minute outlasts holds", "requests_minute", SOON, (0, 500, 500, 500), 401, SOON),
    Case("used up and held: the day is what matters", "tokens_day", MIDNIGHT, (0, 950, 950, 950), 400),
    Case("no request: the month's requests do not matter", "tokens_day", MIDNIGHT, (200, 1000, 0, 0), counted=False),
]


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.what)
def test_a_refusal_names_the_full_window_that_resets_last(case: Case) -> None:
    """The guest learns the one moment from which asking again makes sense."""
    refused = refusal(PLAN, asked(), Denied(case.counted, case.used, case.held, case.minute))
    assert refused.key == case.names
    assert refused.resets_at == case.resets_at
    assert refused.values["plan"] == "Free"
    assert refused.status == 429
    if case.left is not None:
        assert refused.values["left"] == case.left
        assert refused.values["needed"] == 100
    if case.resets_at is None:
        assert refused.retry_after is None
    else:
        assert refused.retry_after == math.ceil((case.resets_at - NOW).total_seconds())


@given(wait=st.floats(0, 100_000))
def test_waiting_as_long_as_told_is_never_too_short(wait: float) -> None:
    """Retry-After is whole seconds, at least one, and never before the window frees."""
    frees_at = NOW + timedelta(seconds=wait)
    refused = refusal(PLAN, asked(), Denied(True, ROOM, 0, frees_at))
    assert refused.retry_after is not None
    assert refused.retry_after >= 1
    assert NOW + timedelta(seconds=refused.retry_after) >= frees_at
    assert refused.retry_after <= wait + 1


@given(
    used=st.tuples(*[st.integers(0, 20_000)] * 4),
    held=st.integers(0, 10_000),
    tokens=st.integers(1, 10_000),
    counted=st.booleans(),
    minute=st.none() | st.integers(0, 60).map(lambda seconds: NOW + timedelta(seconds=seconds)),
)
def test_whatever_was_denied_finds_its_window(
    used: tuple[int, int, int, int], held: int, tokens: int, counted: bool, minute: datetime | None
) -> None:
    """Every denial that a store can give is explained by one sentence, and never by a window with room."""
    call = asked(tokens=tokens)
    limits = (200, 1000, 5000, 9000)
    full = {
        "requests_minute": minute is not None,
        "requests_month": counted and used[0] + 1 > limits[0],
        "tokens_day": used[1] + held + tokens > limits[1],
        "tokens_month": used[2] + held + tokens > limits[2],
        "tokens_total": used[3] + held + tokens > limits[3],
    }
    if any(full.values()):
        refused = refusal(PLAN, call, Denied(counted, used, held, minute))
        assert refused.key == "tokens_held" or full[refused.key]


def test_a_plan_without_limits_asks_for_none() -> None:
    """An unlimited window is None, which no store compares with."""
    call = asked(Plan("all", "All", 0, "USD"))
    assert call.per_minute is None
    assert [limit.limit for limit in call.limits] == [None, None, None, None]


def test_an_ask_carries_the_windows_of_its_moment() -> None:
    """Counters, resets and the hold's expiry all follow from the one moment of the call."""
    call = asked()
    assert [(limit.resource, limit.window, limit.field, limit.limit, limit.resets_at) for limit in call.limits] == [
        ("requests", "month", "requests:month:2026-11", 200, MONTH_END),
        ("tokens", "day", "tokens:day:2026-11-21", 1000, MIDNIGHT),
        ("tokens", "month", "tokens:month:2026-11", 5000, MONTH_END),
        ("tokens", "total", "tokens:total", 9000, None),
    ]
    assert call.expires_at == NOW + timedelta(minutes=11)
