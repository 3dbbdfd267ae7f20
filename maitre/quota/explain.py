"""`cli quota explain`: every window that limits an account, purely from what the stores know."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any

from maitre.accounts.account import Account
from maitre.billing.row import Totals
from maitre.quota.plan import Plan
from maitre.quota.reservation import BACKGROUND
from maitre.quota.store import Live
from maitre.quota.subject import Subject
from maitre.quota.window import BALANCE, MINUTE, SECOND, WINDOWS, Periods, Window, frees_at, seconds_of

#: What a resource is called outside.
PUBLIC = {"money": "cost", "calls": "concurrency"}

#: Windows of an account that are told without a limit too.
_ALWAYS = ("requests_per_month", "tokens_per_day", "tokens_per_month", "tokens_total")


def explain(
    account: Account,
    plan: Plan | None,
    live: Live,
    wider: Iterable[tuple[Subject, Mapping[str, int], Live]],
    when: Periods,
) -> dict[str, Any]:
    """The account's windows, then those of wider subjects with limits. `limit` and `left` are None where the plan sets
    no limit; money is in 10⁻⁹ of the currency."""
    found: list[dict[str, Any]] = []
    if plan is not None:
        mine = Subject("account", account.user_id)
        found += _windows(mine, plan.limits, live, when, _ALWAYS)
        if plan.prepaid:
            found.append(_row(mine, BALANCE, max(0, account.credit), live, when))
    for subject, limits, seen in wider:
        found += _windows(subject, limits, seen, when)
    return {"user": account.email or account.user_id, "plan": plan.slug if plan else None, "windows": found}


def spent(plan: Plan, live: Live, when: Periods, tokens: int) -> bool:
    """Whether one of the account's windows has no room for one more request, or not for so many tokens and one more."""
    least = {"requests": 1, "tokens": tokens + 1}
    rows = _windows(Subject("account", ""), plan.limits, live, when)
    return any(row["left"] < least[row["resource"]] for row in rows if row["resource"] in least)


def live_of(totals: Totals, now: datetime) -> Live:
    """What the live store would know, had it loaded these totals."""
    recent = sorted(at for at in totals.recent.values() if at >= now - MINUTE)
    holds = totals.holds.values()
    seconds = seconds_of(totals.fields, now)
    return Live(
        fields={name: amount for name, amount in totals.fields.items() if amount and not name.startswith(SECOND)},
        minute=len(recent),
        minute_frees_at=recent[0] + MINUTE if recent else None,
        held={
            "tokens": sum(hold.prompt_tokens + hold.completion_tokens for hold in holds),
            "money": sum(hold.money for hold in holds),
            "calls": sum(hold.kind not in BACKGROUND for hold in holds),
        },
        minute_tokens=sum(tokens for _, tokens in seconds),
        minute_tokens_free_at=frees_at(seconds, 1, now) if seconds else None,
    )


def _windows(
    subject: Subject, limits: Mapping[str, int], live: Live, when: Periods, always: tuple[str, ...] = ()
) -> list[dict[str, Any]]:
    return [
        _row(subject, window, limits.get(name), live, when)
        for name, window in WINDOWS.items()
        if name in limits or name in always
    ]


def _row(subject: Subject, window: Window, limit: int | None, live: Live, when: Periods) -> dict[str, Any]:
    match window.span, window.resource:
        case "minute", "tokens":
            used, resets_at = live.minute_tokens, live.minute_tokens_free_at
        case "minute", _:
            used, resets_at = live.minute, live.minute_frees_at
        case _:
            used, resets_at = live.fields.get(when.field(window), 0), when.resets(window)
    held = live.held.get(window.resource, 0)
    return {
        "scope": "account" if subject.scope == "account" else str(subject).rstrip(":"),
        "resource": PUBLIC.get(window.resource, window.resource),
        "window": window.span,
        "limit": limit,
        "used": used,
        "held": held,
        "left": None if limit is None else max(0, limit - used - held),
        "resets_at": None if resets_at is None else resets_at.isoformat(),
    }
