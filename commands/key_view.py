"""API keys on the screen, without their secrets."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from rich.markup import escape
from rich.table import Table

from maitre.keys.key import Key
from maitre.keys.limits import told_of
from maitre.settings import House


def _state(key: Key) -> str:
    if key.revoked_at is not None:
        return "revoked"
    return "live" if key.live(datetime.now(UTC)) else "expired"


def table(keys: list[tuple[Key, str]], house: House) -> Table:
    """The keys for people, with the e-mails of their owners."""
    shown = Table("id", "user", "name", "state", "expires", "last used", "bounds", box=None, pad_edge=False)

    def moment(at: datetime | None) -> str:
        return "–" if at is None else f"{at.astimezone(house.zone):%d %b %Y %H:%M}"

    for key, email in keys:
        limits = [f"{name}={value}" for name, value in told_of(key.limits).items()]
        networks = [f"from {net}" for net in key.networks.allow] + [f"not from {net}" for net in key.networks.deny]
        bounds = [*key.models, *limits, *networks, *(["manages"] if key.manages else [])]
        state = _state(key)
        shown.add_row(
            key.id,
            escape(email or key.user_id[:13]),
            escape(key.name),
            state if state == "live" else f"[yellow]{state}[/]",
            moment(key.expires_at),
            moment(key.last_used_at),
            escape(", ".join(bounds) or "–"),
        )
    return shown


def plain(key: Key, email: str) -> dict[str, Any]:
    """A key as `--json` prints it."""
    moments = {name: getattr(key, name) for name in ("created_at", "expires_at", "revoked_at", "last_used_at")}
    return {
        "id": key.id,
        "user": key.user_id,
        "email": email,
        "name": key.name,
        "state": _state(key),
        **{name: None if at is None else at.isoformat() for name, at in moments.items()},
        "models": list(key.models),
        "limits": told_of(key.limits),
        "networks": key.networks.to_json(),
        "manages": key.manages,
    }
