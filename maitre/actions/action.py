"""An action: who did what, from where. Turns are not among them: they are rows of the ledger."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol


@dataclass(frozen=True, slots=True)
class Action:
    """One line of the log. `who` is an Open WebUI user id, or the name of an operator; `target` what it was done to."""

    at: datetime
    who: str
    what: str  # a noun and a verb: key.generate, token.exchange, house.close
    target: str = ""
    key: str = ""  # the id of the API key that was used
    address: str = ""
    detail: Mapping[str, object] = field(default_factory=dict)  # never a secret


class Actions(Protocol):
    """Where actions are kept: Postgres in a house, the in-memory twin in tests."""

    async def add(self, actions: list[Action]) -> None:
        """Write them, all or none."""

    async def newest(
        self, *, who: str | None = None, since: datetime | None = None, what: str | None = None, limit: int = 100
    ) -> list[Action]:
        """The newest first; `what` is a whole name or its beginning (`key`)."""

    async def forget(self, before: datetime) -> int:
        """Delete what is older; how many."""
