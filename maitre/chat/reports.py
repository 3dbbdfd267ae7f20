"""What is reported of a call, and of a refusal. Pure."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from decimal import Decimal
from typing import Any

from maitre.billing.row import Call, Settlement
from maitre.chat.grounded import Grounded
from maitre.chat.openai_wire import Answer
from maitre.chat.prepared import Prepared
from maitre.chat.text import clean
from maitre.errors import QuotaExceeded, Refusal
from maitre.tools.tool import Outcome, Tool
from maitre.tracing.trace import Report, ToolReport

#: Characters of an input or an output that a trace keeps.
TRACED = 32_000


def of_call(prepared: Prepared, call: Call, settled: Settlement, answer: Answer, spoken: str) -> Report:
    """The report of a settled call. `spoken` is its messages as JSON."""
    full = prepared.record == "full"
    kinds = str | int | float if full else int | float  # a guest's own words may stand in `stop`
    parameters = {name: value for name, value in prepared.body.items() if isinstance(value, kinds)}
    if prepared.recalled is not None:
        parameters["memory"] = prepared.recalled.note
    if prepared.grounded is not None:
        parameters["knowledge"] = prepared.grounded.note
    messages: Any = prepared.body["messages"] if len(spoken) <= TRACED else spoken[:TRACED]
    return Report(
        trace_id=call.trace_id,
        request_id=call.request_id,
        name=prepared.name,
        kind=call.kind,
        door=call.door,
        user_id=call.user_id,
        email=prepared.account.email,
        session_id=call.chat_id,
        plan=call.plan,
        assistant=call.assistant,
        provider=call.provider,
        model=call.model,
        verdict="admitted",
        status=settled.status,
        started=call.at,
        ended=settled.ended_at,
        first_token_at=answer.first_token_at,
        parameters={**parameters, "max_tokens": call.held_completion, "upstream_id": clean(answer.id)},
        input=messages if full else None,
        output=clean(answer.written[:TRACED]) if full else None,
        prompt_tokens=settled.prompt_tokens,
        completion_tokens=settled.completion_tokens,
        estimated=settled.estimated,
        cost=Decimal(settled.cost) / Decimal(10**9),
        currency=call.currency,
        problem=clean(answer.error or "the upstream failed")[:500] if settled.status == "error" else "",
        variant=call.variant,
    )


def of_tool(
    prepared: Prepared, tool: Tool | None, arguments: str, outcome: Outcome, began: datetime, ended: datetime
) -> ToolReport:
    """The report of one use of a tool."""
    name = tool.name if tool else "unknown tool"
    return _of_use(prepared, name, arguments, outcome, began, ended)


def of_search(prepared: Prepared, grounded: Grounded, asked: str, began: datetime, ended: datetime) -> ToolReport:
    """The report of a search for passages before the turn's first call."""
    told = "\n\n".join(f"{one.title}\n{one.text}" for one in grounded.passages)
    report = _of_use(prepared, "knowledge", asked, Outcome(told, failed=not grounded.read), began, ended)
    notes = {
        "passages": len(grounded.passages),
        "ids": [one.id for one in grounded.passages],
        "documents": list(dict.fromkeys(one.document for one in grounded.passages)),
        "milliseconds": max(0, round((ended - began).total_seconds() * 1000)),
    }
    return replace(report, type="retriever", notes=notes)


def _of_use(
    prepared: Prepared, tool: str, arguments: str, outcome: Outcome, began: datetime, ended: datetime
) -> ToolReport:
    stamp, full = prepared.request.stamp, prepared.record == "full"
    return ToolReport(
        trace_id=prepared.turn_id,
        tool=tool,
        name=prepared.name,
        door=prepared.request.door,
        user_id=prepared.account.user_id,
        session_id=stamp.chat_id if stamp else prepared.request.chat_id,
        plan=prepared.plan.slug,
        assistant=prepared.assistant.slug if prepared.assistant else "",
        started=began,
        ended=ended,
        failed=outcome.failed,
        arguments_size=len(arguments),
        result_size=len(outcome.text),
        arguments=clean(arguments[:TRACED]) if full else None,
        result=clean(outcome.text[:TRACED]) if full else None,
    )


def of_refusal(prepared: Prepared, refused: Refusal, currency: str, now: datetime) -> Report:
    """The report of a turn that was refused before any call."""
    stamp = prepared.request.stamp
    return Report(
        trace_id=prepared.turn_id,
        request_id="",
        name=prepared.name,
        kind=prepared.kind,
        door=prepared.request.door,
        user_id=prepared.account.user_id,
        email=prepared.account.email,
        session_id=stamp.chat_id if stamp else prepared.request.chat_id,
        plan=prepared.plan.slug,
        assistant=prepared.assistant.slug if prepared.assistant else "",
        provider="",
        model="",
        verdict=f"refused: {refused.key}",
        status="refused" if isinstance(refused, QuotaExceeded) else "error",
        started=now,
        ended=now,
        first_token_at=None,
        parameters={},
        input=None,
        output=None,
        prompt_tokens=0,
        completion_tokens=0,
        estimated=False,
        cost=Decimal(0),
        currency=currency,
        problem=refused.key,
        variant=prepared.variant,
    )
