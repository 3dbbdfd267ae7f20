"""Windows: the spans of time that a limit is counted over.

A minute slides. A day and a month are calendar windows in the house's time zone. A total never resets.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta
from zoneinfo import ZoneInfo

MINUTE = timedelta(seconds=60)


@dataclass(frozen=True, slots=True)
class Periods:
    """The calendar windows that a moment falls into: when each began, and when each resets."""

    day: str
    month: str
    day_starts: datetime
    day_resets: datetime
    month_starts: datetime
    month_resets: datetime

    def fields(self, resource: str) -> tuple[str, str, str]:
        """The counters of a resource for the day, the month and the total, as the live store names them."""
        return f"{resource}:day:{self.day}", f"{resource}:month:{self.month}", f"{resource}:total"


def periods(now: datetime, zone: ZoneInfo) -> Periods:
    """The day and the month of `now` in `zone`; the moments are in UTC."""
    today = now.astimezone(zone).date()
    first = today.replace(day=1)
    next_month = (first + timedelta(days=32)).replace(day=1)

    def midnight(day: object) -> datetime:
        # Aware arithmetic on wall-clock dates: a day of daylight saving has 23 or 25 hours.
        return datetime.combine(day, time.min, zone).astimezone(UTC)  # type: ignore[arg-type]

    return Periods(
        day=today.isoformat(),
        month=f"{today:%Y-%m}",
        day_starts=midnight(today),
        day_resets=midnight(today + timedelta(days=1)),
        month_starts=midnight(first),
        month_resets=midnight(next_month),
    )
