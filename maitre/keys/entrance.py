"""Whether a live key may be used by this account, and from this address."""

from __future__ import annotations

from maitre.errors import Forbidden
from maitre.keys.key import Key
from maitre.quota.plan import Plan


def enter(key: Key, plan: Plan | None, address: str, *, suspended: bool) -> None:
    """Raises Forbidden of a suspended account, and where the key's or its plan's networks do not admit the address."""
    if suspended:
        raise Forbidden("suspended")
    if not key.networks.admits(address) or (plan is not None and not plan.networks.admits(address)):
        raise Forbidden("address")
