"""API keys: made, found again by what a client sends, and ended."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Protocol

from maitre.keys.key import Key, digest, same, split, text_of


class KeyStore(Protocol):
    """Where keys are: Postgres in a house, the in-memory twin in tests."""

    async def find(self, id: str) -> tuple[Key, bytes] | None:
        """The key and its digest, whether it is live or not."""

    async def of(self, user_id: str) -> list[Key]:
        """All keys of an account, the newest first."""

    async def add(self, key: Key, digest: bytes) -> None:
        """Write a new key."""

    async def revoke(self, id: str, now: datetime) -> bool:
        """End a key; False when there is none, or it had ended before."""


#: What a text is compared with when there is no such key, so that nobody learns from the time which ids there are.
_NOBODY = digest("")


class Keys:
    """The keys of a house."""

    def __init__(self, store: KeyStore, clock: Callable[[], datetime], new_secret: Callable[[], str]) -> None:
        self._store, self._clock, self._new_secret = store, clock, new_secret

    async def check(self, text: str) -> Key | None:
        """The live key with this text, or None. Raises StoreDown."""
        parts = split(text)
        if parts is None:
            return None
        found = await self._store.find(parts[0])
        right = same(parts[1], _NOBODY if found is None else found[1])
        return found[0] if found is not None and right and found[0].live(self._clock()) else None

    async def generate(self, key: Key) -> str:
        """Write a new key; its text, which nobody can read again."""
        secret = self._new_secret()
        await self._store.add(key, digest(secret))
        return text_of(key.id, secret)
