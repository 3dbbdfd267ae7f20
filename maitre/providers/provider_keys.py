"""The story of the providers' keys that lie sealed in the house's database: put in, listed, taken out, and unsealed for
the processes that call the providers."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from maitre.errors import HouseError
from maitre.providers.keyring import Keyring

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class SealedKey:
    """A provider's key as it lies in the database. `name` is that of `api_key: sealed:NAME`."""

    name: str
    sealed: bytes
    set_at: datetime


class KeyStore(Protocol):
    """Where sealed keys lie. Every change raises the catalogue's version. All methods raise StoreDown."""

    async def put(self, key: SealedKey) -> None:
        """Write the key, instead of an older one of its name."""

    async def all(self) -> Sequence[SealedKey]:
        """All of them, by name."""

    async def remove(self, name: str) -> bool:
        """Forget the key; False when there is none."""


class Seal(Protocol):
    """Closes and opens keys with the house's secret; a sealed key opens under its own name only."""

    def close(self, name: str, key: str) -> bytes:
        """The key, sealed."""

    def open(self, name: str, sealed: bytes) -> str:
        """The key. Raises HouseError when it was sealed with another secret, under another name, or was changed."""


class ProviderKeys:
    """The sealed keys of a house."""

    def __init__(self, store: KeyStore, seal: Seal) -> None:
        self._store, self._seal = store, seal
        self._version = 0  # of the catalogue, when the keys were last unsealed

    async def put(self, name: str, key: str, now: datetime) -> None:
        """Seal a key and write it."""
        await self._store.put(SealedKey(name, self._seal.close(name, key), now))

    async def listed(self) -> dict[str, datetime]:
        """The names of the keys, and when each was put in."""
        return {key.name: key.set_at for key in await self._store.all()}

    async def remove(self, name: str) -> bool:
        """Take a key out; False when there is none."""
        return await self._store.remove(name)

    async def follow(self, version: int, names: frozenset[str], keyring: Keyring) -> None:
        """Hold the keys of these names as they are at this version of the catalogue. One that cannot be opened is not
        there, and the log says why."""
        if not names or version == self._version:
            return
        unsealed = {}
        for key in await self._store.all():
            if key.name in names:
                try:
                    unsealed[key.name] = self._seal.open(key.name, key.sealed)
                except HouseError as fault:
                    log.error("%s", fault)
        keyring.replace(unsealed)
        for name in sorted(names - unsealed.keys()):
            log.error("The provider key “%s” is not there. `cli provider key set %s` puts it in.", name, name)
        self._version = version
