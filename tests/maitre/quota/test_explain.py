"""`quota explain`: every window of an account and of the wider subjects, from what the stores know."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from maitre.accounts.account import Account
from maitre.billing.row import Hold, Totals
from maitre.quota.explain import explain, live_of
from maitre.quota.plan import Plan
from maitre.quota.store import Live
from maitre.quota.subject import HOUSE, Subject
from maitre.quota.window import periods

NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)
WHEN = periods(NOW, ZoneInfo("UTC"))
FRAN = Account("u1", "fran@x.io", "Fran", plan="free")
LIMITS = {"requests_per_minute": 5, "requests_per_month": 200, "tokens_per_day": 1000, "concurrency": 2}
PLAN = Plan("free", "Free", 0, "USD", LIMITS)
FIELDS = {"requests:month:2026-11": 7, "tokens:day:2026-11-21": 300, "tokens:month:2026-11": 900, "tokens:total": 2000}
NOTHING = {"tokens": 0, "money": 0, "calls": 0}


def seen(**changed: Any) -> Live:
    """What a subject has used and holds."""
    return Live(**{"fields": FIELDS, "minute": 0, "minute_frees_at": None, "held": NOTHING, **changed})


def windows(live: Live, *wider: tuple[Subject, dict[str, int], Live]) -> dict[tuple[str, str, str], dict[str, Any]]:
    """The answer's windows by scope, resource and window."""
    answer = explain(FRAN, PLAN, live, wider, WHEN)
    return {(one["scope"], one["resource"], one["window"]): one for one in answer["windows"]}


def test_live_windows_are_shown_with_what_is_held() -> None:
    """What is used and held is no longer left; a minute frees when its oldest request leaves it."""
    frees = NOW + timedelta(seconds=31)
    found = windows(seen(minute=3, minute_frees_at=frees, held={"tokens": 450, "money": 0, "calls": 1}))
    minute = found["account", "requests", "minute"]
    assert (minute["limit"], minute["used"], minute["held"], minute["left"]) == (5, 3, 0, 2)
    assert minute["resets_at"] == frees.isoformat()
    day = found["account", "tokens", "day"]
    assert (day["limit"], day["used"], day["held"], day["left"]) == (1000, 300, 450, 250)
    assert day["resets_at"] == "2026-11-22T00:00:00+00:00"
    now = next(one for (_, _, window), one in found.items() if window == "now")
    assert (now["limit"], now["used"], now["held"], now["left"], now["resets_at"]) == (2, 0, 1, 1, None)


def test_an_unlimited_total_is_told_all_the_same() -> None:
    """Without a limit nothing is left to run out, but what was used is still told."""
    total = windows(seen())["account", "tokens", "total"]
    assert total == {**total, "limit": None, "left": None, "used": 2000, "resets_at": None}


def test_left_is_never_below_nothing() -> None:
    """A plan that shrank below what was used leaves nothing, not less."""
    found = windows(seen(fields={"tokens:day:2026-11-21": 5000}, minute=9))
    assert found["account", "tokens", "day"]["left"] == 0
    assert found["account", "requests", "minute"]["left"] == 0


def test_windows_of_yesterday_are_not_todays() -> None:
    """An account last seen yesterday has used nothing today, but its month goes on."""
    found = windows(seen(fields={"tokens:day:2026-11-20": 999, "requests:month:2026-11": 7}))
    assert found["account", "tokens", "day"]["used"] == 0
    assert found["account", "requests", "month"]["used"] == 7


def test_wider_subjects_tell_their_limits_only() -> None:
    """The house's budget and a model's stand below the account's windows, each under its own name."""
    house, model = (HOUSE, {"tokens_per_month": 5000}, seen()), (Subject("model", "m"), {"tokens_total": 2500}, seen())
    wider = [one for one in explain(FRAN, PLAN, seen(), [house, model], WHEN)["windows"] if one["scope"] != "account"]
    assert [(one["window"], one["limit"], one["used"], one["left"]) for one in wider] == [
        ("month", 5000, 900, 4100),
        ("total", 2500, 2000, 500),
    ]


def test_an_unloaded_subject_is_explained_from_the_ledger() -> None:
    """The ledger is the truth that the live windows are rebuilt from, so it gives the same answer."""

    def hold(tokens: int, kind: str) -> Hold:
        return Hold(tokens, 50, 9, NOW + timedelta(minutes=1), True, kind, "t", (Subject("account", "u1"), HOUSE))

    totals = Totals(
        fields={**FIELDS, "money:total": 0},
        recent={"a": NOW - timedelta(seconds=50), "b": NOW - timedelta(seconds=10), "old": NOW - timedelta(seconds=61)},
        turns={},
        holds={"a": hold(50, "turn"), "b": hold(300, "task")},
    )
    held = {"tokens": 450, "money": 18, "calls": 1}
    assert live_of(totals, NOW) == seen(minute=2, minute_frees_at=NOW + timedelta(seconds=10), held=held)


def test_an_account_without_a_plan_has_no_windows() -> None:
    """Nothing is invented for a guest whom nobody gave a plan; one without an e-mail goes by the user id."""
    answer = explain(Account("u2", "", ""), None, seen(), [], WHEN)
    assert answer == {"user": "u2", "plan": None, "windows": []}
