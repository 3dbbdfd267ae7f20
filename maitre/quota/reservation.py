"""Reservations, decided purely: which limits a call meets, what it holds, and what a refusal says.

The flow: an Ask names a call's subjects and their limits; a store (Valkey or its twin) checks every window at once,
all or nothing, and answers Granted, Denied or Unloaded; `refusal()` makes a guest's sentence of a Denied. The
store later settles or releases the hold by its id, once.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from functools import lru_cache

from maitre.errors import QuotaExceeded
from maitre.quota.subject import Subject
from maitre.quota.window import WINDOWS, Periods, Window

#: Calls of one turn's tool loop that are no further request. Open WebUI itself ends a loop after 30 rounds.
TOOL_CALLS_PER_TURN = 30

#: Task calls (title, tags, follow-ups) that one counted request of the day carries along.
TASKS_PER_REQUEST = 4

#: What is made beside a guest's calls: it takes none of their `concurrency`, and is last in a line.
BACKGROUND = ("task", "summary")

#: After how long it is worth asking again when only answers that are being written are in the way.
BUSY = timedelta(seconds=5)

#: How long a turn id is remembered, in seconds; longer than a stamp lives.
TURN_TTL = 3600


@dataclass(frozen=True, slots=True)
class Limit:
    """One limit of a subject. `field` is the counter it is compared with (see `Periods.field`)."""

    subject: Subject
    window: Window
    field: str
    limit: int
    resets_at: datetime | None


@dataclass(frozen=True, slots=True)
class Ask:
    """What a call asks the store for.

    The hold is the prompt and the largest answer: `completion_tokens` if the windows have room for it, else what
    they have room for, but at least `least_tokens`. Prices are per token in 10⁻⁹ of the currency, rounded up.
    """

    hold_id: str
    turn_id: str
    kind: str
    now: datetime
    expires_at: datetime
    periods: Periods
    subjects: tuple[Subject, ...]  # those that have limits, the account always and first
    limits: tuple[Limit, ...]
    prompt_tokens: int
    completion_tokens: int
    least_tokens: int
    prompt_price: int = 0
    completion_price: int = 0
    stands: tuple[bool, bool] | None = None  # counted and later, when they were decided before: see `again`

    @property
    def account(self) -> Subject:
        """Whose call it is."""
        return self.subjects[0]

    def money(self, completion_tokens: int) -> int:
        """What the prompt and so long an answer cost at most."""
        return self.prompt_tokens * self.prompt_price + completion_tokens * self.completion_price

    def again(self, granted: Granted) -> Ask:
        """The same, to be granted exactly as it was, or denied."""
        tokens = granted.completion_tokens
        return replace(self, completion_tokens=tokens, least_tokens=tokens, stands=(granted.counted, granted.later))


@dataclass(frozen=True, slots=True)
class Granted:
    """Admitted. `counted`: it is one of the plan's requests; `later`: it is a later call of its turn;
    `completion_tokens`: the largest answer that is held, and so the clamp to send upstream; `near`: which of the
    Ask's limits are now at four fifths or more."""

    counted: bool
    later: bool
    completion_tokens: int
    near: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class Reading:
    """A limit's window as the store saw it. `frees_at`: when a sliding window has room for one more again."""

    used: int
    held: int
    frees_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Denied:
    """Refused. `readings` are by limit, in the Ask's order."""

    counted: bool
    readings: tuple[Reading, ...]


@dataclass(frozen=True, slots=True)
class Unloaded:
    """The store does not know these subjects (yet, any more, or for today): load them from the ledger first."""

    subjects: tuple[Subject, ...]


Answer = Granted | Denied | Unloaded


def standing(kind: str, requests: int, tasks: int, calls: int) -> tuple[bool, bool]:
    """Whether a call counts as a request, and whether it is a later call of its turn. `requests` and `tasks` are the
    account's of the day, `calls` those of the turn so far."""
    if kind in ("repair", "fallback", "summary"):
        return False, False
    if kind == "task":
        return tasks >= TASKS_PER_REQUEST * max(1, requests), False
    later = 0 < calls < TOOL_CALLS_PER_TURN
    return not later, later


def room(asked: Ask, limit: Limit, reading: Reading, counted: bool) -> int | None:
    """How many tokens of an answer the limit has room for, at most what was asked; None when the call does not fit."""
    left = limit.limit - reading.used - reading.held
    match limit.window.resource:
        case "requests":
            fits = not counted or left >= 1
            return asked.completion_tokens if fits else None
        case "calls":
            # A chat's title is written beside its answer: a plan of one call at a time must allow both.
            fits = asked.kind in BACKGROUND or left >= 1
            return asked.completion_tokens if fits else None
        case "tokens":
            most = left - asked.prompt_tokens
        case _ if asked.money(asked.completion_tokens) == 0:
            most = asked.completion_tokens  # what is free fits an empty purse
        case _:
            rest = left - asked.money(0)
            most = rest // asked.completion_price if asked.completion_price else asked.completion_tokens
            most = -1 if rest < 0 else most
    return min(most, asked.completion_tokens) if most >= asked.least_tokens else None


def near(limit: Limit, reading: Reading) -> bool:
    """Whether four fifths of the limit are used or held."""
    return limit.limit > 0 and 5 * (reading.used + reading.held) >= 4 * limit.limit


def limits_of(subject: Subject, limits: Mapping[str, int], when: Periods) -> tuple[Limit, ...]:
    """A subject's limits, by the names of WINDOWS, at a moment."""
    return _limits(subject, tuple(limits.items()), when)


@lru_cache(4096)  # a guest asks often on one day
def _limits(subject: Subject, limits: tuple[tuple[str, int], ...], when: Periods) -> tuple[Limit, ...]:
    known = dict(limits)
    return tuple(
        Limit(subject, window, when.field(window), known[name], when.resets(window))
        for name, window in WINDOWS.items()
        if name in known
    )


def refusal(plan: str, asked: Ask, denied: Denied) -> QuotaExceeded:
    """The refusal for the full window that resets last, the account's own before a wider one: what, why, until when.

    An account's sentence is `tokens_day` and the like, or `calls_now` and `tokens_held` when only what runs now is in
    the way. A wider scope's is `busy_<scope>` (what runs now), `full_<scope>` (until it resets), or `spent_<scope>`
    (it never resets). `plan` is the plan's name.
    """
    full = []
    for limit, reading in zip(asked.limits, denied.readings, strict=True):
        if room(asked, limit, reading, denied.counted) is None:
            # Full only because of answers that are still being written: room may come back any moment.
            held = reading.held > 0 and room(asked, limit, Reading(reading.used, 0), denied.counted) is not None
            full.append((limit, reading, held))
    never = datetime.max.replace(tzinfo=UTC)
    limit, reading, held = max(
        full,
        key=lambda one: (not one[2], one[0].subject.scope == "account", one[1].frees_at or one[0].resets_at or never),
    )
    resource, scope = limit.window.resource, limit.subject.scope
    resets_at = asked.now + BUSY if held else reading.frees_at or limit.resets_at
    if resets_at is not None:
        resets_at = max(resets_at, asked.now)  # a window that has reset while the call waited
    if scope != "account":
        key = f"{'busy' if held else 'full' if resets_at else 'spent'}_{scope}"
    elif held:
        key = "calls_now" if resource == "calls" else "tokens_held"
    else:
        key = f"{resource}_{limit.window.span}"
    money = resource == "money"
    return QuotaExceeded(
        key,
        resets_at=resets_at,
        retry_after=None if resets_at is None else max(1, -int((asked.now - resets_at).total_seconds() // 1)),
        plan=plan,
        subject=limit.subject.id,
        resource=resource,
        limit=limit.limit,
        left=max(0, limit.limit - reading.used),
        needed=asked.money(asked.least_tokens) if money else asked.prompt_tokens + asked.least_tokens,
    )
