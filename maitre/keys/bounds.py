"""How wide a new key may be: never wider than its plan, nor than the key that makes it."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace

from maitre.errors import BadKey
from maitre.keys.key import Key
from maitre.keys.limits import told_of
from maitre.keys.networks import Networks
from maitre.quota.plan import Plan


def bounded(key: Key, plan: Plan, offered: Collection[str], maker: Key | None) -> Key:
    """The key, with the bounds of its maker where it names none of its own. `offered`: the public ids that its account
    may use. Raises BadKey when it is wider than its plan or its maker."""
    if key.manages and key.limits:
        raise BadKey("A key with limits of its own manages none: each that it made would have as much again.")
    for model in key.models:
        if model not in offered:
            raise BadKey(f"There is no “{model[:100]}” in the {plan.name} plan.")
    for name, limit in key.limits.items():
        if limit > plan.limits.get(name, limit):
            most = told_of(plan.limits)[name]
            raise BadKey(f"The limit {name} is above the {plan.name} plan's own ({most}).")
    if maker is None:
        return key
    networks = Networks(
        key.networks.allow or maker.networks.allow, tuple(dict.fromkeys((*key.networks.deny, *maker.networks.deny)))
    )
    key = replace(
        key,
        expires_at=key.expires_at or maker.expires_at,
        models=key.models or maker.models,
        networks=networks,
    )
    if what := wider(key, maker):
        raise BadKey(f"A key is never wider than the key that makes it; this one has other {what}.")
    return key


def wider(key: Key, maker: Key) -> str | None:
    """In what the key is wider than its maker, or None."""
    if maker.expires_at is not None and (key.expires_at is None or key.expires_at > maker.expires_at):
        return "expiry"
    if maker.models and not (key.models and set(key.models) <= set(maker.models)):
        return "models"
    if not key.networks.within(maker.networks):
        return "networks"
    return "rights" if key.manages and not maker.manages else None
