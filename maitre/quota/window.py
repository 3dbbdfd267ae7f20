"""Windows: the spans of time that a resource is counted over, and the limits that a plan or a budget can set.

A minute slides: requests are counted by their moment, tokens by the second in which their call began. A day and a
month are calendar windows in the house's time zone. A total never resets. What runs now has no span: it is what is
held.

A new window is one line of WINDOWS and its cases in tests/cases/windows.yaml: settings, stores, ledger, refusals and
`cli quota explain` follow from it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from functools import lru_cache
from zoneinfo import ZoneInfo

MINUTE = timedelta(seconds=60)

#: What can be limited. `money` is in 10⁻⁹ of the currency; `calls` are those that run or wait at this moment.
RESOURCES = ("requests", "tokens", "money", "calls")

#: The largest limit. Scripts in Valkey count in doubles, which are exact up to 2⁵³ (9.007·10¹⁵).
LARGEST = 9 * 10**15

#: Spans with a counter of their own.
SPANS = ("day", "month", "total")


@dataclass(frozen=True, slots=True)
class Window:
    """What is counted, over which span: minute, day, month, total, or now."""

    resource: str
    span: str


#: Every window by the name of the setting that limits it.
WINDOWS: Mapping[str, Window] = {
    "requests_per_minute": Window("requests", "minute"),
    "requests_per_day": Window("requests", "day"),
    "requests_per_month": Window("requests", "month"),
    "requests_total": Window("requests", "total"),
    "tokens_per_minute": Window("tokens", "minute"),
    "tokens_per_day": Window("tokens", "day"),
    "tokens_per_month": Window("tokens", "month"),
    "tokens_total": Window("tokens", "total"),
    "spend_per_day": Window("money", "day"),
    "spend_per_month": Window("money", "month"),
    "spend_total": Window("money", "total"),
    "concurrency": Window("calls", "now"),
}

#: What a prepaid account may spend in all: what was paid in. Its limit is the account's, not a setting.
BALANCE = Window("money", "balance")


@dataclass(frozen=True, slots=True)
class Periods:
    """The calendar windows that a moment falls into: when each began, and when each resets."""

    day: str
    month: str
    day_starts: datetime
    day_resets: datetime
    month_starts: datetime
    month_resets: datetime

    def __hash__(self) -> int:
        return hash(self.day_starts)

    @lru_cache(64)  # noqa: B019 - of these there is one a day
    def fields(self, resource: str) -> tuple[str, str, str]:
        """The counters of a resource for the day, the month and the total, as the live store names them."""
        return f"{resource}:day:{self.day}", f"{resource}:month:{self.month}", f"{resource}:total"

    def field(self, window: Window) -> str:
        """The counter of a window; of one without a counter (a minute, now) just its name."""
        if window == BALANCE:
            return self.fields(window.resource)[SPANS.index("total")]
        if window.span not in SPANS:
            return f"{window.resource}:{window.span}"
        return self.fields(window.resource)[SPANS.index(window.span)]

    def resets(self, window: Window) -> datetime | None:
        """When a calendar window resets; None for the others."""
        return {"day": self.day_resets, "month": self.month_resets}.get(window.span)


#: What the counters of tokens by the second are called; a second is one since the epoch.
SECOND = "tokens:second:"


def second_field(at: datetime) -> str:
    """The counter of tokens for the second of a moment."""
    return f"{SECOND}{int(at.timestamp())}"


def seconds_of(fields: Mapping[str, int], now: datetime) -> list[tuple[int, int]]:
    """The seconds of the last minute, and of the next one (see `recent` in memory_store.py), with their tokens."""
    first = int((now - MINUTE).timestamp())
    found = [(int(name.removeprefix(SECOND)), n) for name, n in fields.items() if name.startswith(SECOND) and n]
    return sorted((second, tokens) for second, tokens in found if first <= second <= first + 120)


def frees_at(seconds: list[tuple[int, int]], tokens: int, now: datetime) -> datetime:
    """When so many tokens of these seconds have left the minute; a minute from now when there are not so many."""
    for second, amount in seconds:
        tokens -= amount
        if tokens <= 0:
            return datetime.fromtimestamp(second + 1, UTC) + MINUTE
    return now + MINUTE


def is_total(field: str) -> bool:
    """Whether a counter is one that never resets."""
    return field.endswith(":total")


def periods(now: datetime, zone: ZoneInfo) -> Periods:
    """The day and the month of `now` in `zone`; the moments are in UTC."""
    return _of_day(now.astimezone(zone).date(), zone)


@lru_cache(64)
def _of_day(today: date, zone: ZoneInfo) -> Periods:
    first = today.replace(day=1)
    next_month = (first + timedelta(days=32)).replace(day=1)

    def midnight(day: date) -> datetime:
        # Aware arithmetic on wall-clock dates: a day of daylight saving has 23 or 25 hours.
        return datetime.combine(day, time.min, zone).astimezone(UTC)

    return Periods(
        day=today.isoformat(),
        month=f"{today:%Y-%m}",
        day_starts=midnight(today),
        day_resets=midnight(today + timedelta(days=1)),
        month_starts=midnight(first),
        month_resets=midnight(next_month),
    )
