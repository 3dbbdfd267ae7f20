"""What a call counts as, what a window has room for, and which window a refusal names."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from maitre.quota.reservation import (
    TASKS_PER_REQUEST,
    TOOL_CALLS_PER_TURN,
    Ask,
    Denied,
    Granted,
    Limit,
    Reading,
    limits_of,
    near,
    refusal,
    room,
    standing,
)
from maitre.quota.subject import HOUSE, SCOPES, Subject
from maitre.quota.window import WINDOWS, periods

NOW = datetime(2026, 11, 21, 12, 0, 0, 250_000, tzinfo=UTC)
MIDNIGHT = datetime(2026, 11, 21, 22, 0, tzinfo=UTC)  # in Kyiv
MONTH_END = datetime(2026, 11, 30, 22, 0, tzinfo=UTC)
SOON = NOW + timedelta(seconds=20)
BUSY = NOW + timedelta(seconds=5)
WHEN = periods(NOW, ZoneInfo("Europe/Kyiv"))
GUEST = Subject("account", "u")
LIMITS = {
    "requests_per_minute": 5,
    "requests_per_month": 200,
    "tokens_per_day": 1000,
    "tokens_per_month": 5000,
    "tokens_total": 9000,
    "spend_per_day": 70_000,
    "concurrency": 2,
}
WIDE = Subject("model", "large")


def asked(limits: tuple[Limit, ...] | None = None, prices: tuple[int, int] = (10, 100), least: int = 60) -> Ask:
    """A call of forty tokens and an answer of sixty."""
    return Ask(
        hold_id="h",
        turn_id="t",
        kind="turn",
        now=NOW,
        expires_at=NOW + timedelta(minutes=1),
        periods=WHEN,
        subjects=(GUEST, WIDE),
        limits=limits_of(GUEST, LIMITS, WHEN) + limits_of(WIDE, LIMITS, WHEN) if limits is None else limits,
        prompt_tokens=40,
        completion_tokens=60,
        least_tokens=least,
        prompt_price=prices[0],
        completion_price=prices[1],
    )


def denied(call: Ask, seen: dict[tuple[str, str], tuple[int, int]], counted: bool = True) -> Denied:
    """What a store says that saw so much used and held, by scope and the name of the window."""
    names = {window: name for name, window in WINDOWS.items()}
    readings = []
    for limit in call.limits:
        used, held = seen.get((limit.subject.scope, names[limit.window]), (0, 0))
        full_minute = limit.window.span == "minute" and counted and used >= limit.limit
        readings.append(Reading(used, held, SOON if full_minute else None))
    return Denied(counted, tuple(readings))


@dataclass(frozen=True)
class Case:
    """What was used and held in which windows, and the sentence that must be said."""

    what: str
    says: str
    resets_at: datetime | None
    seen: dict[str, tuple[int, int]]
    wide: dict[str, tuple[int, int]] = field(default_factory=dict)
    counted: bool = True


CASES = [
    Case(
        "the month outlasts the day",
        "tokens_month",
        MONTH_END,
        {"tokens_per_day": (950, 0), "tokens_per_month": (4950, 0)},
    ),
    Case(
        "the total outlasts every other",
        "tokens_total",
        None,
        {"tokens_per_month": (5000, 0), "tokens_total": (9000, 500)},
    ),
    Case(
        "the day outlasts the minute",
        "tokens_day",
        MIDNIGHT,
        {"requests_per_minute": (5, 0), "tokens_per_day": (999, 0)},
    ),
    Case(
        "a full minute outlasts what is held",
        "requests_minute",
        SOON,
        {"requests_per_minute": (5, 0), "concurrency": (0, 2)},
    ),
    Case("only holds are in the way", "tokens_held", BUSY, {"tokens_per_day": (500, 401)}),
    Case("only money that is held is in the way", "tokens_held", BUSY, {"spend_per_day": (0, 65_000)}),
    Case("two calls run", "calls_now", BUSY, {"concurrency": (0, 2)}),
    Case("used up and held: the day is what matters", "tokens_day", MIDNIGHT, {"tokens_per_day": (950, 40)}),
    Case(
        "no request: the minute does not matter",
        "tokens_day",
        MIDNIGHT,
        {"requests_per_minute": (5, 0), "tokens_per_day": (950, 0)},
        counted=False,
    ),
    Case("a wider window", "full_model", MIDNIGHT, {}, {"tokens_per_day": (950, 0)}),
    Case("a wider total", "spent_model", None, {}, {"tokens_total": (9000, 0)}),
    Case("a wider concurrency", "busy_model", BUSY, {}, {"concurrency": (0, 2)}),
    Case("a wider hold", "busy_model", BUSY, {}, {"tokens_per_day": (0, 901)}),
    Case(
        "one's own day before a wider month",
        "tokens_day",
        MIDNIGHT,
        {"tokens_per_day": (950, 0)},
        {"tokens_per_month": (5000, 0)},
    ),
    Case(
        "a wider month before one's own running calls",
        "full_model",
        MONTH_END,
        {"concurrency": (0, 2)},
        {"tokens_per_month": (5000, 0)},
    ),
]


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.what)
def test_a_refusal_names_the_full_window_that_resets_last(case: Case) -> None:
    """The guest learns the one moment from which asking again makes sense; their own window comes before a wider one,
    what is used up before what only runs."""
    call = asked()
    seen = {("account", name): numbers for name, numbers in case.seen.items()}
    seen |= {("model", name): numbers for name, numbers in case.wide.items()}
    refused = refusal("Free", call, denied(call, seen, case.counted))
    assert refused.key == case.says
    assert refused.resets_at == case.resets_at
    assert refused.values["plan"] == "Free"
    assert refused.values["subject"] == ("large" if case.says.endswith("model") else "u")
    assert refused.status == 429
    wait = None if case.resets_at is None else math.ceil((case.resets_at - NOW).total_seconds())
    assert refused.retry_after == wait


def test_a_refusal_for_money_is_told_in_money() -> None:
    """What is left and what is needed are in the same unit as the limit."""
    call = asked(least=10)
    refused = refusal("Free", call, denied(call, {("account", "spend_per_day"): (69_000, 0)}))
    assert (refused.key, refused.values["limit"], refused.values["left"], refused.values["needed"]) == (
        "money_day",
        70_000,
        1000,
        1400,
    )


@pytest.mark.parametrize("scope", SCOPES[1:])
def test_every_wider_scope_has_its_three_sentences(scope: str) -> None:
    """What runs now, what resets and what never does are different news."""
    subject = Subject(scope, "x")
    keys = set()
    for name, seen in {"concurrency": (0, 9), "tokens_per_day": (9, 0), "tokens_total": (9, 0)}.items():
        call = asked(limits_of(subject, {name: 9}, WHEN))
        keys.add(refusal("Free", call, denied(call, {(scope, name): seen})).key)
    assert keys == {f"busy_{scope}", f"full_{scope}", f"spent_{scope}"}


@given(wait=st.floats(0, 100_000))
def test_waiting_as_long_as_told_is_never_too_short(wait: float) -> None:
    """Retry-After is whole seconds, at least one, and never before the window frees."""
    frees_at = NOW + timedelta(seconds=wait)
    call = asked(limits_of(GUEST, {"requests_per_minute": 1}, WHEN))
    refused = refusal("Free", call, Denied(True, (Reading(1, 0, frees_at),)))
    assert refused.retry_after is not None
    assert refused.retry_after >= 1
    assert NOW + timedelta(seconds=refused.retry_after) >= frees_at
    assert refused.retry_after <= wait + 1


@given(
    numbers=st.lists(st.tuples(st.integers(0, 10_000), st.integers(0, 10_000)), min_size=14, max_size=14),
    counted=st.booleans(),
    least=st.integers(1, 60),
)
def test_whatever_was_denied_finds_its_window(numbers: list[tuple[int, int]], counted: bool, least: int) -> None:
    """Every denial that a store can give is explained by one sentence, about a subject whose window is full."""
    call = asked(least=least)
    seen = Denied(counted, tuple(Reading(used, held) for used, held in numbers))
    full = {
        limit.subject.id
        for limit, reading in zip(call.limits, seen.readings, strict=True)
        if room(call, limit, reading, counted) is None
    }
    if full:
        assert refusal("Free", call, seen).values["subject"] in full


@given(
    name=st.sampled_from(sorted(WINDOWS)),
    limit=st.integers(0, 10_000),
    used=st.integers(0, 10_000),
    held=st.integers(0, 10_000),
    prices=st.tuples(st.integers(0, 50), st.integers(0, 50)),
    least=st.integers(1, 60),
)
def test_what_there_is_room_for_fits(
    name: str, limit: int, used: int, held: int, prices: tuple[int, int], least: int
) -> None:
    """An answer as long as told stays within the limit, one token more would not or was not asked for, and a call
    that does not fit would not fit with its shortest answer."""
    call, one = asked(prices=prices, least=least), limits_of(GUEST, {name: limit}, WHEN)[0]
    most = room(call, one, Reading(used, held), counted=True)
    resource = one.window.resource

    def size(tokens: int) -> int:
        return {"tokens": 40 + tokens, "money": call.money(tokens)}.get(resource, 1)

    if most is None:
        assert used + held + size(least) > limit
    elif not (resource == "money" and call.money(60) == 0):
        assert least <= most <= 60
        assert used + held + size(most) <= limit
        assert most == 60 or used + held + size(most + 1) > limit


def test_what_a_call_counts_as() -> None:
    """A turn's first call is a request, its next ones are later calls, up to thirty; a request carries four tasks."""
    assert standing("turn", 0, 0, 0) == (True, False)
    assert standing("turn", 9, 9, 1) == standing("turn", 9, 9, TOOL_CALLS_PER_TURN - 1) == (False, True)
    assert standing("turn", 9, 9, TOOL_CALLS_PER_TURN) == (True, False)
    assert standing("repair", 0, 0, 0) == standing("fallback", 9, 9, 9) == (False, False)
    assert standing("task", 0, TASKS_PER_REQUEST - 1, 0) == (False, False)
    assert standing("task", 1, TASKS_PER_REQUEST, 0) == (True, False)
    assert standing("task", 2, TASKS_PER_REQUEST, 5) == (False, False)


def test_asking_again_asks_for_what_was_granted() -> None:
    """No more, no less, and standing as it did; whatever the windows say meanwhile."""
    again = asked(least=1).again(Granted(False, True, 17, (3,)))
    assert (again.completion_tokens, again.least_tokens, again.stands) == (17, 17, (False, True))


def test_four_fifths_are_near() -> None:
    """Used and held together; a limit of nothing is never near."""
    limit = limits_of(HOUSE, {"tokens_total": 1000}, WHEN)[0]
    assert not near(limit, Reading(799, 0))
    assert near(limit, Reading(700, 100))
    assert not near(limits_of(HOUSE, {"tokens_total": 0}, WHEN)[0], Reading(5, 0))


def test_limits_carry_the_windows_of_their_moment() -> None:
    """Counters and resets follow from the one moment of the call; a window without a limit is not asked about."""
    found = limits_of(GUEST, {"tokens_per_day": 7, "requests_per_month": 0, "concurrency": 1}, WHEN)
    assert [(limit.field, limit.limit, limit.resets_at) for limit in found] == [
        ("requests:month:2026-11", 0, MONTH_END),
        ("tokens:day:2026-11-21", 7, MIDNIGHT),
        ("calls:now", 1, None),
    ]
