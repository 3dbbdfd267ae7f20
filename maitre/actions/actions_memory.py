"""The in-memory twin of the action log."""

from __future__ import annotations

from datetime import datetime

from maitre.actions.action import Action


class MemoryActions:
    """Actions in a list."""

    def __init__(self) -> None:
        self.actions: list[Action] = []

    async def add(self, actions: list[Action]) -> None:
        """Write them, all or none."""
        self.actions += actions

    async def newest(
        self, *, who: str | None = None, since: datetime | None = None, what: str | None = None, limit: int = 100
    ) -> list[Action]:
        """The newest first; `what` is a whole name or its beginning (`key`)."""
        found = [
            one
            for one in self.actions
            if (who is None or one.who == who)
            and (since is None or one.at >= since)
            and (what is None or one.what == what or one.what.startswith(f"{what}."))
        ]
        return found[::-1][:limit]

    async def forget(self, before: datetime) -> int:
        """Delete what is older; how many."""
        kept = [one for one in self.actions if one.at >= before]
        gone, self.actions = len(self.actions) - len(kept), kept
        return gone
