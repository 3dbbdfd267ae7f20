"""Spans and points in time as people type them."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from typing import Annotated

import typer

from maitre.errors import HouseError
from maitre.settings import House

SinceOption = Annotated[
    str | None, typer.Option("--since", metavar="WHEN", help="A date (2026-11-01), or 30m, 2h, 7d ago.")
]

_SPAN = re.compile(r"(\d{1,5})([smhd])")
_UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days"}


def span(text: str) -> timedelta:
    """90m, 24h or 30d. Raises HouseError."""
    found = _SPAN.fullmatch(text)
    if found is None or int(found[1]) == 0:
        raise HouseError(f"“{text}” is no span; write 90m, 24h or 30d.")
    return timedelta(**{_UNITS[found[2]]: int(found[1])})


def past(text: str | None, house: House) -> datetime | None:
    """A date or time in the house's time zone, or so long ago. Raises HouseError."""
    if text is None:
        return None
    if _SPAN.fullmatch(text):
        return datetime.now(UTC) - span(text)
    return _at(text, house, "2026-11-01, 2026-11-01T18:00, 30m, 2h or 7d")


def future(text: str, house: House) -> datetime:
    """A date or time in the house's time zone, or so long from now. Raises HouseError."""
    if _SPAN.fullmatch(text):
        return datetime.now(UTC) + span(text)
    return _at(text, house, "2026-12-31, 2026-12-31T18:00, 90m, 12h or 30d")


def _at(text: str, house: House, examples: str) -> datetime:
    try:
        at = datetime.fromisoformat(text)
    except ValueError as bad:
        raise HouseError(f"“{text}” is no point in time; try {examples}.") from bad
    return at if at.tzinfo else at.replace(tzinfo=house.zone)
