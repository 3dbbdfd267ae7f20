"""The providers' keys that a process holds: those from secrets, and those that were unsealed from Postgres."""

from __future__ import annotations

from collections.abc import Mapping

from maitre.errors import ProviderError
from maitre.providers.provider import Provider
from maitre.providers.scrub import Scrubber


class Keyring:
    """The keys of the moment; the unsealed ones change while a process runs."""

    def __init__(self) -> None:
        self._unsealed: dict[str, str] = {}

    def replace(self, unsealed: Mapping[str, str]) -> None:
        """Hold these unsealed keys, by name, and no others."""
        self._unsealed = dict(unsealed)

    def key_of(self, provider: Provider) -> str:
        """The provider's key; empty where it needs none. Raises ProviderError when its sealed key is not there."""
        if not provider.sealed_key:
            return provider.api_key
        key = self._unsealed.get(provider.sealed_key)
        if key is None:
            name = provider.sealed_key
            cause = f"{provider.name} has no key: `cli provider key set {name}` puts one in"
            raise ProviderError("provider_down", status=503, cause=cause)
        return key

    def scrubber(self, provider: Provider, model: str) -> Scrubber:
        """What takes this provider's secrets out of its words about this model of its."""
        key = self._unsealed.get(provider.sealed_key, "") if provider.sealed_key else provider.api_key
        return Scrubber(key, provider.base_url, model)
