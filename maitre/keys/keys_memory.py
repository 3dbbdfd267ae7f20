"""The in-memory twin of the keys."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime

from maitre.keys.key import Key


class MemoryKeys:
    """Keys in a dictionary."""

    def __init__(self) -> None:
        self._keys: dict[str, tuple[Key, bytes]] = {}

    async def find(self, id: str) -> tuple[Key, bytes] | None:
        """The key and its digest, whether it is live or not."""
        return self._keys.get(id)

    async def of(self, user_id: str) -> list[Key]:
        """All keys of an account, the newest first."""
        keys = sorted((key for key, _ in self._keys.values() if key.user_id == user_id), key=lambda key: key.id)
        return sorted(keys, key=lambda key: key.created_at, reverse=True)

    async def add(self, key: Key, digest: bytes) -> None:
        """Write a new key."""
        self._keys[key.id] = key, digest

    async def revoke(self, id: str, now: datetime) -> bool:
        """End a key; False when there is none, or it had ended before."""
        if id not in self._keys or self._keys[id][0].revoked_at is not None:
            return False
        key, digest = self._keys[id]
        self._keys[id] = replace(key, revoked_at=now), digest
        return True
