"""Reports as the spans that Langfuse's SDK would make of them, without its clients, contexts and threads: a turn is a
span, its upstream call a generation within it, a use of a tool a span of the same trace."""

from __future__ import annotations

import json
import random
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from langfuse import LangfuseOtelSpanAttributes as Name
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.util.instrumentation import InstrumentationScope
from opentelemetry.trace import SpanContext, TraceFlags
from opentelemetry.trace.status import Status, StatusCode

from maitre.tracing.trace import Report, ToolReport

LARGEST = 100_000  # characters of an input or output that are traced
LONGEST = 200  # characters of what Langfuse searches by; it takes no more

_SCOPE = InstrumentationScope("langfuse-sdk", "")
_SAMPLED = TraceFlags(TraceFlags.SAMPLED)
_FINE = Status(StatusCode.UNSET)


def spans_of(report: Report | ToolReport, resource: Resource) -> list[ReadableSpan]:
    """What is exported of a report."""
    return [_tool(report, resource)] if isinstance(report, ToolReport) else _turn(report, resource)


def _turn(report: Report, resource: Resource) -> list[ReadableSpan]:
    tags = [f"door:{report.door}", f"plan:{report.plan}", f"kind:{report.kind}"]
    if report.assistant:
        tags.append(f"assistant:{report.assistant}")
    if report.variant:
        tags.append(f"variant:{report.variant}")
    level = "ERROR" if report.status == "error" else "WARNING" if report.problem else "DEFAULT"
    shared = {
        **_trace(report, tags),
        f"{Name.TRACE_METADATA}.email": report.email[:LONGEST],
        f"{Name.TRACE_METADATA}.verdict": report.verdict[:LONGEST],
        f"{Name.TRACE_METADATA}.request_id": report.request_id[:LONGEST],
        f"{Name.TRACE_METADATA}.currency": report.currency[:LONGEST],
        **_said(report.input, report.output, level),
    }
    if report.problem:
        shared[Name.OBSERVATION_STATUS_MESSAGE] = report.problem
    status = Status(StatusCode.ERROR, report.problem or None) if level == "ERROR" else _FINE
    root = _span(report.kind, report, {**shared, Name.OBSERVATION_TYPE: "span"}, status, resource)
    if not report.model:
        return [root]
    attributes = {**shared, **_generation(report)}
    return [_span("completion", report, attributes, status, resource, parent=root.context), root]


def _generation(report: Report) -> dict[str, Any]:
    used, written = report.prompt_tokens, report.completion_tokens
    attributes: dict[str, Any] = {
        Name.OBSERVATION_TYPE: "generation",
        Name.OBSERVATION_MODEL: report.model,
        Name.OBSERVATION_MODEL_PARAMETERS: _json(report.parameters),
        Name.OBSERVATION_USAGE_DETAILS: _json({"input": used, "output": written, "total": used + written}),
        Name.OBSERVATION_COST_DETAILS: _json({"total": float(report.cost)}),
        f"{Name.OBSERVATION_METADATA}.provider": report.provider,
        f"{Name.OBSERVATION_METADATA}.status": report.status,
        f"{Name.OBSERVATION_METADATA}.estimated": report.estimated,
    }
    if (first := report.first_token_at) is not None:
        moment = first.astimezone(UTC).isoformat().replace("+00:00", "Z")
        attributes[Name.OBSERVATION_COMPLETION_START_TIME] = _json(moment)
        waited = int((first - report.started).total_seconds() * 1000)
        attributes[f"{Name.OBSERVATION_METADATA}.first_token_ms"] = waited
    return attributes


def _tool(report: ToolReport, resource: Resource) -> ReadableSpan:
    attributes = {
        **_trace(report, [f"door:{report.door}", f"plan:{report.plan}", f"assistant:{report.assistant}"]),
        **_said(report.arguments, report.result, "WARNING" if report.failed else "DEFAULT"),
        Name.OBSERVATION_TYPE: report.type,
        f"{Name.OBSERVATION_METADATA}.arguments_size": report.arguments_size,
        f"{Name.OBSERVATION_METADATA}.result_size": report.result_size,
        **{f"{Name.OBSERVATION_METADATA}.{name}": value for name, value in report.notes.items()},
    }
    return _span(report.tool, report, attributes, _FINE, resource)


def _trace(report: Report | ToolReport, tags: list[str]) -> dict[str, Any]:
    """What is the whole trace's; Langfuse reads it from any of its spans."""
    attributes: dict[str, Any] = {
        Name.TRACE_NAME: report.name[:LONGEST],
        Name.TRACE_USER_ID: report.user_id[:LONGEST],
        Name.TRACE_TAGS: tags,
    }
    if report.session_id:
        attributes[Name.TRACE_SESSION_ID] = report.session_id[:LONGEST]
    return attributes


def _said(input: Any, output: str | None, level: str) -> dict[str, Any]:
    attributes: dict[str, Any] = {Name.OBSERVATION_LEVEL: level}
    if input is not None:
        attributes[Name.OBSERVATION_INPUT] = input[:LARGEST] if isinstance(input, str) else _json(input)
    if output is not None:
        attributes[Name.OBSERVATION_OUTPUT] = output[:LARGEST]
    return attributes


def _span(
    name: str,
    report: Report | ToolReport,
    attributes: Mapping[str, Any],
    status: Status,
    resource: Resource,
    parent: SpanContext | None = None,
) -> ReadableSpan:
    id = random.getrandbits(64) or 1
    return ReadableSpan(
        name,
        SpanContext(int(report.trace_id, 16), id, is_remote=False, trace_flags=_SAMPLED),
        parent,
        resource,
        attributes,
        status=status,
        start_time=_ns(report.started),
        end_time=_ns(report.ended),
        instrumentation_scope=_SCOPE,
    )


def _json(value: Any) -> str:
    return json.dumps(value, default=str)


def _ns(moment: datetime) -> int:
    return int(moment.timestamp() * 1_000_000) * 1000
