"""What an OTLP export says, in Langfuse's words: pure, from protobuf bytes to the JSON of observations and traces."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, KeyValue

TRACE, OBSERVATION = "langfuse.trace.", "langfuse.observation."
ERROR_STATUS = 2  # opentelemetry.proto.trace.v1.Status.STATUS_CODE_ERROR


@dataclass(frozen=True, slots=True)
class Span:
    """One span: the observation that it is, and what it says about its trace (present keys only)."""

    observation: dict[str, Any]
    trace: dict[str, Any]


def read_export(body: bytes) -> list[Span]:
    """The spans of an export request. Raises protobuf's DecodeError (a ValueError is not one) on other bytes."""
    request = ExportTraceServiceRequest()
    request.ParseFromString(body)
    return [
        _span(span, {**_attributes(group.resource.attributes), **_attributes(span.attributes)})
        for group in request.resource_spans
        for scope in group.scope_spans
        for span in scope.spans
    ]


def _span(span: Any, said: Mapping[str, Any]) -> Span:
    parent = span.parent_span_id.hex() or None
    root = parent is None or said.get("langfuse.internal.is_app_root") is True
    failed = span.status.code == ERROR_STATUS
    usage, cost = _parsed(said.get(OBSERVATION + "usage_details")), _parsed(said.get(OBSERVATION + "cost_details"))
    observation = {
        "id": span.span_id.hex(),
        "traceId": span.trace_id.hex(),
        "parentObservationId": None if root else parent,
        "type": str(said.get(OBSERVATION + "type", "span")).upper(),
        "name": span.name,
        "startTime": moment(span.start_time_unix_nano),
        "endTime": moment(span.end_time_unix_nano),
        "completionStartTime": _parsed(said.get(OBSERVATION + "completion_start_time")),
        "latency": round((span.end_time_unix_nano - span.start_time_unix_nano) / 1e9, 3),
        "model": said.get(OBSERVATION + "model.name"),
        "modelParameters": _parsed(said.get(OBSERVATION + "model.parameters")),
        "input": _parsed(said.get(OBSERVATION + "input")),
        "output": _parsed(said.get(OBSERVATION + "output")),
        "metadata": _below(said, OBSERVATION + "metadata."),
        "usageDetails": usage or {},
        "costDetails": cost or {},
        "calculatedTotalCost": total_cost(cost),
        "level": said.get(OBSERVATION + "level") or ("ERROR" if failed else "DEFAULT"),
        "statusMessage": said.get(OBSERVATION + "status_message") or span.status.message or None,
        "environment": said.get("langfuse.environment", "default"),
    }
    trace = {
        "name": said.get(TRACE + "name") or (span.name if root else None),
        "userId": said.get("user.id"),
        "sessionId": said.get("session.id"),
        "tags": said.get(TRACE + "tags"),
        "release": said.get("langfuse.release"),
        "environment": said.get("langfuse.environment"),
        "metadata": _below(said, TRACE + "metadata.") or None,
        "input": _parsed(said.get(TRACE + "input")) or (observation["input"] if root else None),
        "output": _parsed(said.get(TRACE + "output")) or (observation["output"] if root else None),
    }
    return Span(observation, {key: value for key, value in trace.items() if value is not None})


def whole(
    id: str, said: Mapping[str, Any], observations: list[dict[str, Any]], scores: list[dict[str, Any]]
) -> dict[str, Any]:
    """A trace as Langfuse's API shows one, from what its spans said; `level` is ours: ERROR if any span failed."""
    starts = [one["startTime"] for one in observations]
    ends = [one["endTime"] for one in observations]
    lasted = datetime.fromisoformat(max(ends)) - datetime.fromisoformat(min(starts)) if starts else None
    costs = [one["calculatedTotalCost"] for one in observations if one["calculatedTotalCost"] is not None]
    return {
        "id": id,
        "timestamp": min(starts, default=None),
        "name": None, "userId": None, "sessionId": None, "release": None, "version": None, "public": False,
        "environment": "default", "tags": [], "metadata": {}, "input": None, "output": None,
        **said,
        "latency": lasted.total_seconds() if lasted else 0,
        "totalCost": sum(costs),
        "level": "ERROR" if any(one["level"] == "ERROR" for one in observations) else "DEFAULT",
        "observations": observations,
        "scores": scores,
    }  # fmt: skip


def moment(nanoseconds: int) -> str:
    """UTC with microseconds, so that text order is time order."""
    return (
        datetime.fromtimestamp(nanoseconds // 1000 / 1e6, UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")
    )


def total_cost(details: Any) -> float | None:
    """The total of cost details, or the sum of their parts."""
    if not isinstance(details, dict) or not details:
        return None
    parts = {key: float(value) for key, value in details.items() if isinstance(value, int | float)}
    return parts.get("total", sum(parts.values()))


def _below(said: Mapping[str, Any], prefix: str) -> dict[str, Any]:
    return {key.removeprefix(prefix): _parsed(value) for key, value in said.items() if key.startswith(prefix)}


def _parsed(value: Any) -> Any:
    """Dicts, lists and (SDK 5) strings travel as JSON text, plain strings stay plain."""
    if not isinstance(value, str) or value[:1] not in ("{", "[", '"'):
        return value
    try:
        return json.loads(value)
    except ValueError:
        return value


def _attributes(pairs: Iterable[KeyValue]) -> dict[str, Any]:
    return {pair.key: _value(pair.value) for pair in pairs}


def _value(value: AnyValue) -> Any:
    match value.WhichOneof("value"):
        case "array_value":
            return [_value(item) for item in value.array_value.values]
        case "kvlist_value":
            return _attributes(value.kvlist_value.values)
        case "bytes_value":
            return value.bytes_value.hex()
        case None:
            return None
        case kind:
            return getattr(value, kind)
