"""The in-memory twin of the sealed provider keys."""

from __future__ import annotations

from collections.abc import Sequence

from maitre.providers.provider_keys import SealedKey


class MemoryProviderKeys:
    """Sealed keys in a dictionary."""

    def __init__(self) -> None:
        self._keys: dict[str, SealedKey] = {}

    async def put(self, key: SealedKey) -> None:
        """Write the key, instead of an older one of its name."""
        self._keys[key.name] = key

    async def all(self) -> Sequence[SealedKey]:
        """All of them, by name."""
        return [self._keys[name] for name in sorted(self._keys)]

    async def remove(self, name: str) -> bool:
        """Forget the key; False when there is none."""
        return self._keys.pop(name, None) is not None
