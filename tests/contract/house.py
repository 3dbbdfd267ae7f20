"""The nouns of the live windows' suites: asks, totals and subjects with as few words as possible."""

from __future__ import annotations

import itertools
import uuid
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from maitre.billing.row import Call, Hold, Totals
from maitre.quota.redis_store import RedisQuotaStore
from maitre.quota.reservation import Answer, Ask, Denied, Granted, limits_of
from maitre.quota.store import Live, QuotaStore
from maitre.quota.subject import HOUSE, Subject
from maitre.quota.window import Periods, periods, second_field
from maitre.valkey.redis_wire import Valkey
from tests.contract.rows import call

ZONE = ZoneInfo("UTC")
NOON = datetime(2026, 11, 21, 12, tzinfo=UTC)
WHEN = periods(NOON, ZONE)
TTL = timedelta(minutes=11)
NOTHING = Totals(fields={}, recent={}, turns={}, holds={})
REQUESTS = WHEN.fields("requests")
GUEST = Subject("account", "u1")

_numbers = itertools.count(1)


def wish(
    hold_id: str | None = None,
    *,
    limits: Mapping[str, int] | None = None,
    wider: Mapping[Subject, Mapping[str, int]] | None = None,
    prompt: int = 4,
    answer: int = 6,
    least: int | None = None,
    prices: tuple[int, int] = (0, 0),
    kind: str = "turn",
    turn: str | None = None,
    after: float = 0,
    user: Subject = GUEST,
    ttl: timedelta = TTL,
) -> Ask:
    """What a call asks for: ten tokens, and no less. `limits` are the account's, `wider` those of other subjects;
    `after` is in seconds after noon. Unless named, hold and turn are new."""
    number, now = next(_numbers), NOON + timedelta(seconds=after)
    when = periods(now, ZONE)
    limited = {user: limits or {}, **(wider or {})}
    return Ask(
        hold_id=hold_id or f"h{number}",
        turn_id=turn or f"t{number}",
        kind=kind,
        now=now,
        expires_at=now + ttl,
        periods=when,
        subjects=tuple(limited),
        limits=tuple(limit for subject, own in limited.items() for limit in limits_of(subject, own, when)),
        prompt_tokens=prompt,
        completion_tokens=answer,
        least_tokens=answer if least is None else least,
        prompt_price=prices[0],
        completion_price=prices[1],
    )


def hold(prompt: int = 0, answer: int = 0, after: float = TTL.total_seconds(), **changed: object) -> Hold:
    """An open call, as the ledger tells it; `after` is when it expires, in seconds after noon."""
    known = {
        "money": 0,
        "expires_at": NOON + timedelta(seconds=after),
        "counted": True,
        "kind": "turn",
        "turn_id": "t",
        "subjects": (GUEST, HOUSE),
    }
    return Hold(prompt, answer, **{**known, **changed})  # type: ignore[arg-type]


async def loaded(store: QuotaStore, totals: Totals = NOTHING, *subjects: Subject, when: Periods = WHEN) -> None:
    """Load subjects, the guest if none is named, which must work."""
    for subject in subjects or (GUEST,):
        assert await store.load(subject, when.day, totals, await store.generation(subject))


def granted(answer: Answer) -> bool:
    """Whether the store said yes; nothing may be unloaded."""
    assert isinstance(answer, Granted | Denied), answer
    return isinstance(answer, Granted)


def spent(tokens: int, money: int = 0, when: Periods = WHEN) -> dict[str, int]:
    """What settling so much adds."""
    used = {**dict.fromkeys(when.fields("tokens"), tokens), **dict.fromkeys(when.fields("money"), money)}
    return {field: amount for field, amount in used.items() if amount}


def spent_by(asked: Ask, tokens: int, money: int = 0) -> dict[str, int]:
    """What settling this call with so much adds, the second in which it began among it."""
    return {**spent(tokens, money, asked.periods), second_field(asked.now): tokens}


async def live(store: QuotaStore, subject: Subject = GUEST, after: float = 0) -> Live:
    """What a subject, which must be loaded, has used and holds."""
    found = await store.live(subject, NOON + timedelta(seconds=after))
    assert found is not None
    return found


async def fields(store: QuotaStore, subject: Subject = GUEST) -> dict[str, int]:
    """The counters that are not zero."""
    return dict((await live(store, subject)).fields)


@asynccontextmanager
async def valkey_store(url: str, prefix: str = "") -> AsyncIterator[RedisQuotaStore]:
    """A store on a connection of its own, in a corner of its own unless one is named."""
    valkey = Valkey(url)
    yield RedisQuotaStore(valkey, prefix=prefix or f"t-{uuid.uuid4().hex[:12]}")
    await valkey.close()


def row(asked: Ask, granted: Granted, **changed: Any) -> Call:
    """The ledger's row of a granted call."""
    return call(
        asked.hold_id,
        turn_id=asked.turn_id,
        at=asked.now,
        expires_at=asked.expires_at,
        user_id=asked.account.id,
        kind="tool" if granted.later else asked.kind,
        counted=granted.counted,
        held_prompt=asked.prompt_tokens,
        held_completion=granted.completion_tokens,
        held_cost=asked.money(granted.completion_tokens),
        **changed,
    )
