"""A key's limits as people write them, and as they are told again. Money is a decimal of the currency there."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal, InvalidOperation

from maitre.errors import BadKey
from maitre.quota.window import LARGEST, WINDOWS

NANO = 10**9


def limits_of(told: Mapping[str, object]) -> dict[str, int]:
    """The limits by the names of WINDOWS, money in 10⁻⁹ of the currency. Raises BadKey."""
    return {name: limit_of(name, value) for name, value in told.items()}


def limit_of(name: str, value: object) -> int:
    """One limit. Raises BadKey."""
    window = WINDOWS.get(name)
    if window is None:
        raise BadKey(f"There is no limit “{name[:100]}” (there is: {', '.join(WINDOWS)}).")
    try:
        number = Decimal("nan") if isinstance(value, bool) else Decimal(str(value)[:100])
    except InvalidOperation:
        number = Decimal("nan")
    unit = NANO if window.resource == "money" else 1
    if number.is_nan() or not 0 <= number <= LARGEST // unit or number * unit != int(number * unit):
        kind = "an amount such as 2.50" if window.resource == "money" else "a whole number"
        raise BadKey(f"The limit {name} must be {kind}, and not below 0 or too large.")
    return int(number * unit)


def told_of(limits: Mapping[str, int]) -> dict[str, int | str]:
    """The limits as a client reads them."""
    return {
        name: f"{(Decimal(value) / NANO).normalize():f}" if WINDOWS[name].resource == "money" else value
        for name, value in limits.items()
    }
