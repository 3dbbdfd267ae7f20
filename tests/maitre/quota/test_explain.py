"""`quota explain`: every window of an account, from the live store or, when that does not know it, the ledger."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from maitre.accounts.account import Account
from maitre.billing.row import Totals
from maitre.quota.explain import explain
from maitre.quota.plan import Plan
from maitre.quota.store import Live
from maitre.quota.window import periods

NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)
WHEN = periods(NOW, ZoneInfo("UTC"))
FRAN = Account("u1", "fran@x.io", "Fran", plan="free")
PLAN = Plan("free", "Free", 0, "USD", requests_per_minute=5, requests_per_month=200, tokens_per_day=1000)
FIELDS = {"requests:month:2026-11": 7, "tokens:day:2026-11-21": 300, "tokens:month:2026-11": 900, "tokens:total": 2000}


def windows(answer: dict[str, Any]) -> dict[tuple[str, str], dict[str, Any]]:
    """The answer's windows by resource and window."""
    return {(one["resource"], one["window"]): one for one in answer["windows"]}


def test_live_windows_are_shown_with_what_is_held() -> None:
    """What is used and held is no longer left; a minute frees when its oldest request leaves it."""
    frees = NOW + timedelta(seconds=31)
    answer = explain(FRAN, PLAN, Live(FIELDS, 3, frees, 450), None, NOW, WHEN)
    assert (answer["user"], answer["plan"]) == ("fran@x.io", "free")
    assert windows(answer)["requests", "minute"] == {
        "scope": "account",
        "resource": "requests",
        "window": "minute",
        "limit": 5,
        "used": 3,
        "held": 0,
        "left": 2,
        "resets_at": frees.isoformat(),
    }
    day = windows(answer)["tokens", "day"]
    assert (day["limit"], day["used"], day["held"], day["left"]) == (1000, 300, 450, 250)
    assert day["resets_at"] == "2026-11-22T00:00:00+00:00"


def test_an_unlimited_window_counts_all_the_same() -> None:
    """Without a limit nothing is left to run out, but what was used is still told."""
    total = windows(explain(FRAN, PLAN, Live(FIELDS, 0, None, 0), None, NOW, WHEN))["tokens", "total"]
    assert total == {**total, "limit": None, "left": None, "used": 2000, "resets_at": None}


def test_left_is_never_below_nothing() -> None:
    """A plan that shrank below what was used leaves nothing, not less."""
    day = windows(explain(FRAN, PLAN, Live({"tokens:day:2026-11-21": 5000}, 9, None, 0), None, NOW, WHEN))
    assert day["tokens", "day"]["left"] == 0
    assert day["requests", "minute"]["left"] == 0


def test_windows_of_yesterday_are_not_todays() -> None:
    """An account last seen yesterday has used nothing today, but its month goes on."""
    live = Live({"tokens:day:2026-11-20": 999, "requests:month:2026-11": 7}, 0, None, 0)
    found = windows(explain(FRAN, PLAN, live, None, NOW, WHEN))
    assert found["tokens", "day"]["used"] == 0
    assert found["requests", "month"]["used"] == 7


def test_an_unloaded_account_is_explained_from_the_ledger() -> None:
    """The ledger is the truth that the live windows are rebuilt from, so it gives the same answer."""
    totals = Totals(
        fields=FIELDS,
        recent={"a": NOW - timedelta(seconds=50), "b": NOW - timedelta(seconds=10), "old": NOW - timedelta(seconds=61)},
        turns={},
        holds={"a": (100, NOW + timedelta(minutes=1), True), "b": (350, NOW + timedelta(minutes=1), True)},
    )
    live = Live(FIELDS, 2, NOW + timedelta(seconds=10), 450)
    assert explain(FRAN, PLAN, None, totals, NOW, WHEN) == explain(FRAN, PLAN, live, None, NOW, WHEN)


def test_an_account_without_a_plan_has_no_windows() -> None:
    """Nothing is invented for a guest whom nobody gave a plan; one without an e-mail goes by the user id."""
    assert explain(Account("u2", "", ""), None, None, None, NOW, WHEN) == {"user": "u2", "plan": None, "windows": []}
