"""placeholder"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Capacity:
    provider: str
    max_concurrent: int
    max_tokens_in_flight: int | None
    max_waiting_per_user: int
    max_wait: float


@dataclass(frozen=True, slots=True)
class Ticket:
    id: str
    user_id: str
    weight: int
    model: str
    tokens: int
    prompt_tokens: int
    max_tokens: int


@dataclass(frozen=True, slots=True)
class Waiting:
    position: int
    eta: float | None


@dataclass(frozen=True, slots=True)
class Spent:
    tokens: int
    seconds: float
    prompt_tokens: int
