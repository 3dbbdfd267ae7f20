"""What somebody says that a new key should be, read without trust."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from maitre.errors import BadKey
from maitre.keys.address import network_of
from maitre.keys.key import Key
from maitre.keys.limits import limits_of
from maitre.keys.networks import Networks

FIELDS = ("name", "expires_at", "expires_in", "models", "limits", "networks", "manages")
LONGEST_NAME = 100  # characters
LONGEST_LIFE = timedelta(days=3660)
MOST = 100  # models, or networks of a kind


def wished(told: Mapping[str, Any], *, id: str, user_id: str, now: datetime, public: Callable[[str], str]) -> Key:
    """The key that is asked for. `public`: the public id of what a client calls a model. Raises BadKey."""
    for field in told:
        if field not in FIELDS:
            raise BadKey(f"A key has no “{field[:100]}” (there is: {', '.join(FIELDS)}).")
    manages = told.get("manages", False)
    if not isinstance(manages, bool):
        raise BadKey("“manages” must be true or false.")
    limits = told.get("limits") or {}
    if not isinstance(limits, dict):
        raise BadKey("“limits” must be an object of names and numbers.")
    return Key(
        id=id,
        user_id=user_id,
        name=_name(told.get("name", "")),
        created_at=now,
        expires_at=_expiry(told, now),
        models=tuple(dict.fromkeys(public(model) for model in _texts("models", told.get("models")))),
        limits=limits_of(limits),
        networks=_networks(told.get("networks") or {}),
        manages=manages,
    )


def seconds_of(field: str, value: object, most: timedelta) -> timedelta:
    """A span of 1 second to `most`. Raises BadKey."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not 1 <= value <= most.total_seconds():
        raise BadKey(f"“{field}” must be a number of seconds, from 1 to {most.total_seconds():.0f}.")
    return timedelta(seconds=value)


def _name(value: object) -> str:
    name = " ".join(value.split()) if isinstance(value, str) else ""
    if not name or len(name) > LONGEST_NAME or not name.isprintable():
        raise BadKey(f"A key needs a “name” of 1 to {LONGEST_NAME} characters.")
    return name


def _expiry(told: Mapping[str, Any], now: datetime) -> datetime | None:
    at, span = told.get("expires_at"), told.get("expires_in")
    if at is not None and span is not None:
        raise BadKey("A key has “expires_at” or “expires_in”, not both.")
    if span is not None:
        return now + seconds_of("expires_in", span, LONGEST_LIFE)
    if at is None:
        return None
    try:
        moment = datetime.fromisoformat(at)
        moment = moment.astimezone(UTC) if moment.tzinfo else moment.replace(tzinfo=UTC)
    except (TypeError, ValueError, OverflowError):
        raise BadKey("“expires_at” must be a time such as 2026-12-31T00:00:00Z.") from None
    if not now < moment <= now + LONGEST_LIFE:
        raise BadKey("“expires_at” must be in the future, and within ten years.")
    return moment


def _networks(value: object) -> Networks:
    if not isinstance(value, dict) or set(value) - {"allow", "deny"}:
        raise BadKey("“networks” must be an object with “allow” and “deny”.")
    allow, deny = (tuple(_texts(name, value.get(name))) for name in ("allow", "deny"))
    for text in (*allow, *deny):
        try:
            network_of(text)
        except ValueError as bad:
            raise BadKey(f"{bad}.") from None
    return Networks(allow, deny)


def _texts(field: str, value: object) -> list[str]:
    if value is None:
        return []
    if not isinstance(value, list) or len(value) > MOST or not all(isinstance(one, str) for one in value):
        raise BadKey(f"“{field}” must be a list of at most {MOST} texts.")
    return value
