"""API keys: made, found again by what a client sends, renewed and ended."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Protocol

from maitre.accounts.account import Arrived
from maitre.keys.key import Key, digest, is_id, mark, same, split, text_of

#: How often the time of a key's last use is written, at most.
NOTED = timedelta(seconds=60)

#: Keys whose last use waits to be written, or was just now.
REMEMBERED = 10_000


@dataclass(frozen=True, slots=True)
class Stored:
    """A key as the store has it, with its account as that is just now. `old_digest` is taken until `old_until`."""

    key: Key
    digest: bytes
    arrived: Arrived
    old_digest: bytes | None = None
    old_until: datetime | None = None


@dataclass(frozen=True, slots=True)
class Opened:
    """A live key that was shown. `mark` is of the secret: a token that is made for it says so."""

    key: Key
    mark: str
    arrived: Arrived


class KeyStore(Protocol):
    """Where keys are: Postgres in a house, the in-memory twin in tests."""

    async def find(self, id: str) -> Stored | None:
        """The key, whether it is live or not."""

    async def of(self, user_id: str | None) -> list[Key]:
        """All keys of an account, or of everybody; the newest first."""

    async def add(self, key: Key, digest: bytes) -> None:
        """Write a new key."""

    async def revoke(self, id: str, now: datetime) -> bool:
        """End a key; False when there is none, or it had ended before."""

    async def rotate(self, id: str, digest: bytes, old_until: datetime | None) -> bool:
        """Give a key that was not revoked another secret; its old one ends then, or at once. False when there is
        none."""

    async def used(self, uses: Mapping[str, datetime]) -> None:
        """Note when keys were last used."""


#: What a mark is compared with where there is no digest, so that nobody learns from the time which ids there are.
_NOBODY = mark(digest(""))


class Keys:
    """The keys of a house."""

    def __init__(self, store: KeyStore, clock: Callable[[], datetime], new_secret: Callable[[], str]) -> None:
        self._store, self._clock, self._new_secret = store, clock, new_secret
        self._uses: dict[str, datetime] = {}  # not yet written
        self._noted: dict[str, datetime] = {}  # written within NOTED

    async def check(self, text: str) -> Opened | None:
        """The live key with this text, or None. Raises StoreDown."""
        parts = split(text)
        return None if parts is None else await self.open(parts[0], mark(digest(parts[1])))

    async def open(self, id: str, given: str) -> Opened | None:
        """The live key with this id whose secret has this mark, or None: in the same steps whether there is no such
        key, it has another secret, or it has ended. Raises StoreDown."""
        if not is_id(id):
            return None
        stored = await self._store.find(id)
        now = self._clock()
        digest = None if stored is None else stored.digest
        old = None if stored is None or stored.old_until is None or stored.old_until <= now else stored.old_digest
        right = same(given, _NOBODY if digest is None else mark(digest))
        right |= same(given, _NOBODY if old is None else mark(old))
        if stored is None or not right or not stored.key.live(now):
            return None
        if id not in self._noted and len(self._uses) < REMEMBERED:
            self._uses[id] = now
        return Opened(stored.key, given, stored.arrived)

    async def find(self, id: str) -> Key | None:
        """The key with this id, live or not. Raises StoreDown."""
        stored = await self._store.find(id) if is_id(id) else None
        return None if stored is None else stored.key

    async def of(self, user_id: str | None) -> list[Key]:
        """All keys of an account, or of everybody; the newest first. Raises StoreDown."""
        return await self._store.of(user_id)

    async def add(self, key: Key) -> str:
        """Write a new key; its text, which nobody can read again. Raises StoreDown."""
        secret = self._new_secret()
        await self._store.add(key, digest(secret))
        return text_of(key.id, secret)

    async def revoke(self, id: str) -> bool:
        """End a key; False when there is none, or it had ended before. Raises StoreDown."""
        return await self._store.revoke(id, self._clock())

    async def rotate(self, id: str, grace: timedelta = timedelta(0)) -> str | None:
        """Another secret for a key: its new text, or None when there is no such key or it is revoked. The old text
        ends after `grace`. Raises StoreDown."""
        secret = self._new_secret()
        until = self._clock() + grace if grace else None
        return text_of(id, secret) if await self._store.rotate(id, digest(secret), until) else None

    async def note_uses(self) -> None:
        """Write down which keys were used, of each at most once a minute. Raises StoreDown."""
        now = self._clock()
        self._noted = {id: at for id, at in self._noted.items() if now - at < NOTED}
        if self._uses:
            uses, self._uses = self._uses, {}
            await self._store.used(uses)
            self._noted |= dict.fromkeys(uses, now)
