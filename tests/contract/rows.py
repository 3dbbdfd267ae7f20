"""The nouns of the ledger's suites: calls and settlements with as few words as possible."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

from maitre.billing.ledger import Ledger
from maitre.billing.price import Price, PriceTable
from maitre.billing.row import Call, Settlement, Totals
from maitre.quota.subject import Subject
from maitre.quota.window import periods

ZONE = ZoneInfo("UTC")
NOON = datetime(2026, 11, 21, 12, tzinfo=UTC)
TTL = timedelta(minutes=11)
PRICES = PriceTable("v1", "USD", {"small": Price(Decimal(1), Decimal(2))})


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
        held_cost=170_000,
        key="k1",
        variant="auto:b",
    )
    return replace(known, **changed)


def ended(request_id: str = "r1", prompt: int = 20, completion: int = 5, **changed: Any) -> Settlement:
    """A ledger row's end."""
    known = Settlement(request_id, NOON + timedelta(seconds=3), 120, prompt, completion, False, 30_000, "v1", "done")
    return replace(known, **changed)


async def sums(ledger: Ledger, user: str = "u1", after: float = 0, subject: Subject | None = None) -> Totals:
    """The totals of an account (or another subject), so many seconds after noon, without the counters that are 0."""
    now = NOON + timedelta(seconds=after)
    found = await ledger.totals(subject or Subject("account", user), now, periods(now, ZONE))
    return replace(found, fields={name: amount for name, amount in found.fields.items() if amount})
