"""`cli quota explain`: every window of an account, purely from what the stores know."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from maitre.accounts.account import Account
from maitre.billing.row import Totals
from maitre.quota.plan import Plan
from maitre.quota.reservation import limits_of
from maitre.quota.store import Live
from maitre.quota.window import MINUTE, Periods


def explain(
    account: Account, plan: Plan | None, live: Live | None, totals: Totals | None, now: datetime, when: Periods
) -> dict[str, Any]:
    """The account's windows. `limit` and `left` are None where the plan sets no limit."""
    if live is None:
        live = _live(totals, now)
    windows: list[dict[str, Any]] = []
    if plan is not None:
        windows.append(_window("requests", "minute", plan.requests_per_minute, live.minute, 0, live.minute_frees_at))
        for limit in limits_of(plan, when):
            held = live.held_tokens if limit.resource == "tokens" else 0
            used = live.fields.get(limit.field, 0)
            windows.append(_window(limit.resource, limit.window, limit.limit, used, held, limit.resets_at))
    return {"user": account.email or account.user_id, "plan": plan.slug if plan else None, "windows": windows}


def _live(totals: Totals | None, now: datetime) -> Live:
    if totals is None:
        return Live({}, 0, None, 0)
    recent = sorted(at for at in totals.recent.values() if at >= now - MINUTE)
    return Live(
        fields=totals.fields,
        minute=len(recent),
        minute_frees_at=recent[0] + MINUTE if recent else None,
        held_tokens=sum(tokens for tokens, _, _ in totals.holds.values()),
    )


def _window(
    resource: str, window: str, limit: int | None, used: int, held: int, resets_at: datetime | None
) -> dict[str, Any]:
    return {
        "scope": "account",
        "resource": resource,
        "window": window,
        "limit": limit,
        "used": used,
        "held": held,
        "left": None if limit is None else max(0, limit - used - held),
        "resets_at": None if resets_at is None else resets_at.isoformat(),
    }
