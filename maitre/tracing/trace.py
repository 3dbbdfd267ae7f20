"""What a turn reports of each call, and who hears it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from typing import Any, Protocol


@dataclass(frozen=True, slots=True)
class Report:
    """One call, or one refusal (then `model` answered nothing and `verdict` says why).

    `input` and `output` are None where recording them is not allowed. `cost` is in the currency.
    """

    trace_id: str  # 32 hex digits: calls of one turn share it
    request_id: str
    name: str
    kind: str
    door: str
    user_id: str
    email: str
    session_id: str
    plan: str
    assistant: str
    provider: str
    model: str
    verdict: str
    status: str
    started: datetime
    ended: datetime
    first_token_at: datetime | None
    parameters: Mapping[str, Any]
    input: Any
    output: str | None
    prompt_tokens: int
    completion_tokens: int
    estimated: bool
    cost: Decimal
    currency: str
    problem: str  # empty when all went well
    variant: str = ""  # which way of a router's split the turn went


@dataclass(frozen=True, slots=True)
class ToolReport:
    """One use of a tool that the house ran between two calls of a turn, or its search for passages before the first.
    `arguments` and `result` are None where recording them is not allowed; their sizes are in characters."""

    trace_id: str
    tool: str
    name: str
    door: str
    user_id: str
    session_id: str
    plan: str
    assistant: str
    started: datetime
    ended: datetime
    failed: bool
    arguments_size: int
    result_size: int
    arguments: str | None
    result: str | None
    type: str = "tool"  # tool | retriever
    notes: Mapping[str, Any] = field(default_factory=dict)  # what else may always be told


class Tracer(Protocol):
    """Hears of every call. Never raises, never blocks, never grows without bound."""

    def report(self, report: Report | ToolReport) -> None:
        """Take the report, or drop and count it."""

    def counters(self) -> Mapping[str, int]:
        """`traces_sent`, `traces_dropped`."""
