"""A plan: what an account may use, and what it costs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass


@dataclass(frozen=True, slots=True)
class Plan:
    """The limits of one plan. None means unlimited; 0 means none at all.

    `price` is a month's price in minor units (cents) of `currency`. The windows of a day and a month are
    calendar windows in the house's time zone; the minute slides.
    """

    slug: str
    name: str
    price: int
    currency: str
    requests_per_minute: int | None = None
    requests_per_month: int | None = None
    tokens_per_day: int | None = None
    tokens_per_month: int | None = None
    tokens_total: int | None = None
    max_answer_tokens: int = 1024
    models: tuple[str, ...] = ()  # plain upstream models that the plan may use without an assistant
    record: str = "full"

    def to_json(self) -> dict[str, object]:
        return asdict(self)

    @classmethod
    def from_json(cls, value: Mapping[str, object]) -> Plan:
        known = {**value, "models": tuple(value.get("models") or ())}  # type: ignore[arg-type]
        return cls(**known)  # type: ignore[arg-type]
