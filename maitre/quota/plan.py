"""A plan: what an account may use, and what it costs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from maitre.keys.networks import Networks
from maitre.known import known


@dataclass(frozen=True, slots=True)
class Plan:
    """What the accounts of a plan may use. A window without a limit is unlimited; a limit of 0 means none at all.

    `price` is a month's price in minor units (cents) of `currency`.
    """

    slug: str
    name: str
    price: int
    currency: str
    limits: Mapping[str, int] = field(default_factory=dict)  # by the names of maitre.quota.window.WINDOWS
    max_answer_tokens: int = 1024
    models: tuple[str, ...] = ()  # plain upstream models that the plan may use without an assistant
    record: str = "full"
    weight: int = 1  # of its guests in a queue
    fail: str = "closed"  # when a store is down: closed (refuse), or open (serve unchecked, but never unrecorded)
    prepaid: bool = False  # what an account spends in all is limited by what was paid in
    networks: Networks = Networks()  # from where the API keys of its accounts may be used

    def to_json(self) -> dict[str, object]:
        return asdict(self)

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> Plan:
        models, networks = tuple(value.get("models") or ()), Networks.from_json(value.get("networks") or {})
        return cls(**{**known(cls, value), "models": models, "networks": networks})
