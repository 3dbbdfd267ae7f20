"""The nouns of the contract suites: calls, asks and settlements with as few words as possible."""

from __future__ import annotations

import itertools
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

from maitre.billing.ledger import Ledger
from maitre.billing.price import Price, PriceTable
from maitre.billing.row import Call, Settlement, Totals
from maitre.quota.plan import Plan
from maitre.quota.reservation import Answer, Ask, Denied, Granted, ask
from maitre.quota.store import QuotaStore
from maitre.quota.window import Periods, periods

ZONE = ZoneInfo("UTC")
NOON = datetime(2026, 11, 21, 12, tzinfo=UTC)
WHEN = periods(NOON, ZONE)
TTL = timedelta(minutes=11)
PRICES = PriceTable("v1", "USD", {"small": Price(Decimal(1), Decimal(2))})
NOTHING = Totals(fields={}, recent={}, turns={}, holds={})
REQUESTS = WHEN.fields("requests")

_numbers = itertools.count(1)


def plan(**limits: Any) -> Plan:
    """A plan with only these limits."""
    return Plan("p", "Plan", 0, "USD", **limits)


def wish(
    hold_id: str | None = None,
    *,
    limits: Plan | None = None,
    tokens: int = 10,
    kind: str = "turn",
    turn: str | None = None,
    after: float = 0,
    user: str = "u1",
    ttl: timedelta = TTL,
) -> Ask:
    """What a call asks for; `after` is in seconds after noon. Unless named, hold and turn are new."""
    number = next(_numbers)
    return ask(
        limits or plan(),
        user_id=user,
        hold_id=hold_id or f"h{number}",
        turn_id=turn or f"t{number}",
        kind=kind,
        tokens=tokens,
        now=NOON + timedelta(seconds=after),
        ttl=ttl,
        zone=ZONE,
    )


async def loaded(store: QuotaStore, totals: Totals = NOTHING, user: str = "u1", when: Periods = WHEN) -> None:
    """Load an account, which must work."""
    assert await store.load(user, when.day, totals, await store.generation(user))


def granted(answer: Answer) -> bool:
    """Whether the store said yes; it must not be unloaded."""
    assert isinstance(answer, Granted | Denied), answer
    return isinstance(answer, Granted)


def spent(tokens: int, when: Periods = WHEN) -> dict[str, int]:
    """What settling so many tokens adds."""
    return dict.fromkeys(when.fields("tokens"), tokens)


async def fields(store: QuotaStore, user: str = "u1") -> dict[str, int]:
    """The counters that are not zero."""
    live = await store.live(user, NOON)
    assert live is not None
    return {name: amount for name, amount in live.fields.items() if amount}


def call(request_id: str = "r1", **changed: Any) -> Call:
    """A ledger row's opening."""
    known = Call(
        request_id=request_id,
        turn_id="t1",
        chat_id="c1",
        trace_id="t1",
        at=NOON,
        user_id="u1",
        plan="free",
        door="api",
        assistant="coach",
        provider="local",
        model="small",
        kind="turn",
        counted=True,
        held_prompt=30,
        held_completion=70,
        expires_at=NOON + TTL,
        currency="USD",
    )
    return replace(known, **changed)


def ended(request_id: str = "r1", prompt: int = 20, completion: int = 5, **changed: Any) -> Settlement:
    """A ledger row's end."""
    known = Settlement(request_id, NOON + timedelta(seconds=3), 120, prompt, completion, False, 30_000, "v1", "done")
    return replace(known, **changed)


async def sums(ledger: Ledger, user: str = "u1", after: float = 0) -> Totals:
    """The account's totals, so many seconds after noon; counters that are zero are left out."""
    now = NOON + timedelta(seconds=after)
    found = await ledger.totals(user, now, periods(now, ZONE))
    return replace(found, fields={name: amount for name, amount in found.fields.items() if amount})
