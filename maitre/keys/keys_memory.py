"""The in-memory twin of the keys."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime

from maitre.accounts.account import Account, Arrived
from maitre.keys.key import Key
from maitre.keys.keys import Stored

VERSION = 1  # of the catalogue, which never changes


class MemoryKeys:
    """Keys in a dictionary. `accounts` are those that there are, by their ids."""

    def __init__(self) -> None:
        self.accounts: dict[str, Account] = {}
        self._keys: dict[str, Stored] = {}

    async def find(self, id: str) -> Stored | None:
        """The key, whether it is live or not."""
        stored = self._keys.get(id)
        account = self.accounts.get(stored.key.user_id) if stored else None
        if stored is None or account is None:
            return None
        return replace(stored, arrived=Arrived(account, VERSION))

    async def of(self, user_id: str | None) -> list[Key]:
        """All keys of an account, or of everybody; the newest first."""
        keys = [stored.key for stored in self._keys.values() if user_id in (None, stored.key.user_id)]
        keys.sort(key=lambda key: key.id)
        return sorted(keys, key=lambda key: key.created_at, reverse=True)

    async def add(self, key: Key, digest: bytes) -> None:
        """Write a new key."""
        self._keys[key.id] = Stored(key, digest, Arrived(self.accounts[key.user_id], VERSION))

    async def revoke(self, id: str, now: datetime) -> bool:
        """End a key; False when there is none, or it had ended before."""
        stored = self._live(id)
        if stored is not None:
            self._keys[id] = replace(stored, key=replace(stored.key, revoked_at=now))
        return stored is not None

    async def rotate(self, id: str, digest: bytes, old_until: datetime | None) -> bool:
        """Give a key that was not revoked another secret; its old one ends then, or at once."""
        stored = self._live(id)
        if stored is not None:
            old = None if old_until is None else stored.digest
            self._keys[id] = replace(stored, digest=digest, old_digest=old, old_until=old_until)
        return stored is not None

    async def used(self, uses: Mapping[str, datetime]) -> None:
        """Note when keys were last used."""
        for id, at in uses.items():
            if (stored := self._keys.get(id)) and (stored.key.last_used_at is None or stored.key.last_used_at < at):
                self._keys[id] = replace(stored, key=replace(stored.key, last_used_at=at))

    def _live(self, id: str) -> Stored | None:
        stored = self._keys.get(id)
        return None if stored is None or stored.key.revoked_at is not None else stored
