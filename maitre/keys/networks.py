"""From which addresses a key, or the keys of a plan, may be used."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from maitre.keys.address import address_of, inside, network_of


@dataclass(frozen=True, slots=True)
class Networks:
    """Networks such as `10.0.0.0/8`. Without `allow` every address is allowed; `deny` goes first."""

    allow: tuple[str, ...] = ()
    deny: tuple[str, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.allow or self.deny)

    def admits(self, address: str) -> bool:
        """Whether a request from this address may go on. Where there are rules, an unknown address may not."""
        if not self:
            return True
        found = address_of(address)
        if found is None or inside(found, self.deny):
            return False
        return not self.allow or inside(found, self.allow)

    def within(self, wider: Networks) -> bool:
        """Whether everything that is admitted here is admitted there too."""
        if wider.allow and not self.allow:
            return False
        allowed = not wider.allow or all(_covered(one, wider.allow) for one in self.allow)
        return allowed and all(_covered(one, self.deny) for one in wider.deny)

    def to_json(self) -> dict[str, list[str]]:
        """As it is stored and told."""
        return {"allow": list(self.allow), "deny": list(self.deny)} if self else {}

    @classmethod
    def from_json(cls, value: Mapping[str, Iterable[str]]) -> Networks:
        """What `to_json` made."""
        return cls(tuple(value.get("allow") or ()), tuple(value.get("deny") or ()))


def _covered(inner: str, outer: Sequence[str]) -> bool:
    small = network_of(inner)
    return any(small.subnet_of(large) for text in outer if (large := network_of(text)).version == small.version)  # type: ignore[arg-type]
