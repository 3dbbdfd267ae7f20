"""Reservations, decided purely: which limits a call meets, what it holds, and what a refusal says.

The flow: `ask()` turns a plan and a call into an Ask; a store (Valkey or its twin) checks every window at once,
all or nothing, and answers Granted, Denied or Unloaded; `refusal()` makes a guest's sentence of a Denied. The
store later settles or releases the hold by its id, once.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

from maitre.errors import QuotaExceeded
from maitre.quota.plan import Plan
from maitre.quota.window import MINUTE, Periods, periods

#: Calls of one turn's tool loop that are no further request. Open WebUI itself ends a loop after 30 rounds.
TOOL_CALLS_PER_TURN = 30

#: Task calls (title, tags, follow-ups) that one counted request of the day carries along.
TASKS_PER_REQUEST = 4

#: How long a turn id is remembered, in seconds; longer than a stamp lives.
TURN_TTL = 3600


@dataclass(frozen=True, slots=True)
class Limit:
    """One limit of a plan. `field` is the counter it is compared with; `limit` None is unlimited."""

    resource: str  # requests | tokens
    window: str  # minute | day | month | total
    field: str
    limit: int | None
    resets_at: datetime | None


@dataclass(frozen=True, slots=True)
class Ask:
    """What a call asks the store for. `tokens` is the hold: the prompt and the largest answer."""

    user_id: str
    hold_id: str
    turn_id: str
    kind: str
    now: datetime
    tokens: int
    expires_at: datetime
    per_minute: int | None
    limits: tuple[Limit, ...]
    periods: Periods


@dataclass(frozen=True, slots=True)
class Granted:
    """Admitted. `counted`: it is one of the plan's requests; `later`: it is a later call of its turn."""

    counted: bool
    later: bool


@dataclass(frozen=True, slots=True)
class Denied:
    """Refused. `used` is by limit, in the Ask's order; `minute_frees_at` is None while the minute has room."""

    counted: bool
    used: tuple[int, ...]
    held: int
    minute_frees_at: datetime | None


@dataclass(frozen=True, slots=True)
class Unloaded:
    """The store does not know the account (yet, any more, or for today): load it from the ledger first."""


Answer = Granted | Denied | Unloaded


def limits_of(plan: Plan, when: Periods) -> tuple[Limit, ...]:
    """A plan's calendar limits. The minute is apart: it slides."""
    requests_day, requests_month, requests_total = when.fields("requests")
    tokens_day, tokens_month, tokens_total = when.fields("tokens")
    del requests_day, requests_total
    return (
        Limit("requests", "month", requests_month, plan.requests_per_month, when.month_resets),
        Limit("tokens", "day", tokens_day, plan.tokens_per_day, when.day_resets),
        Limit("tokens", "month", tokens_month, plan.tokens_per_month, when.month_resets),
        Limit("tokens", "total", tokens_total, plan.tokens_total, None),
    )


def ask(
    plan: Plan,
    *,
    user_id: str,
    hold_id: str,
    turn_id: str,
    kind: str,
    tokens: int,
    now: datetime,
    ttl: timedelta,
    zone: ZoneInfo,
) -> Ask:
    """What a call of `kind` under `plan` asks for. `ttl` is how long the hold may live."""
    when = periods(now, zone)
    return Ask(
        user_id=user_id,
        hold_id=hold_id,
        turn_id=turn_id,
        kind=kind,
        now=now,
        tokens=tokens,
        expires_at=now + ttl,
        per_minute=plan.requests_per_minute,
        limits=limits_of(plan, when),
        periods=when,
    )


def refusal(plan: Plan, asked: Ask, denied: Denied) -> QuotaExceeded:
    """The refusal for the full window that resets last: what, why, until when."""
    full = []
    if denied.minute_frees_at is not None:
        full.append((Limit("requests", "minute", "", plan.requests_per_minute, denied.minute_frees_at), False))
    for limit, used in zip(asked.limits, denied.used, strict=True):
        if limit.limit is None:
            continue
        if limit.resource == "requests" and denied.counted and used + 1 > limit.limit:
            full.append((limit, False))
        elif limit.resource == "tokens" and used + denied.held + asked.tokens > limit.limit:
            # Full only because of answers that are still being written: room may come back any moment.
            full.append((limit, used + asked.tokens <= limit.limit))
    limit, held = max(full, key=lambda entry: (not entry[1], entry[0].resets_at or datetime.max.replace(tzinfo=UTC)))
    if held:
        return QuotaExceeded("tokens_held", resets_at=asked.now + timedelta(seconds=5), retry_after=5, plan=plan.name)
    used = next((used for one, used in zip(asked.limits, denied.used, strict=True) if one is limit), 0)
    wait = None
    if limit.resets_at is not None:
        wait = max(1, -int((asked.now - limit.resets_at).total_seconds() // 1))
    return QuotaExceeded(
        f"{limit.resource}_{limit.window}",
        resets_at=limit.resets_at,
        retry_after=wait,
        plan=plan.name,
        limit=limit.limit,
        left=max(0, (limit.limit or 0) - used),
        needed=asked.tokens,
    )


__all__ = ["MINUTE", "Answer", "Ask", "Denied", "Granted", "Limit", "Unloaded", "ask", "limits_of", "refusal"]
