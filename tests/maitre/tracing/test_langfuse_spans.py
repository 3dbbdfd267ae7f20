"""Our spans beside those that Langfuse's own SDK makes of the same turn."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from langfuse import Langfuse, LangfuseGeneration, LangfuseSpan, propagate_attributes
from opentelemetry import trace as otel
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from maitre.tracing.langfuse_spans import spans_of
from maitre.tracing.trace import Report

NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)
CALL = Report(
    trace_id="ab" * 16, request_id="r1", name="Помічник", kind="turn", door="gateway", user_id="tess", email="t@x.io",
    session_id="c1", plan="free", assistant="helped", provider="local", model="small", verdict="admitted",
    status="done", started=NOW, ended=NOW + timedelta(seconds=2), first_token_at=NOW + timedelta(seconds=0.5),
    parameters={"temperature": 0.5, "max_tokens": 9}, input=[{"role": "user", "content": "Привіт"}], output="Hello",
    prompt_tokens=4, completion_tokens=2, estimated=False, cost=Decimal("0.0012"), currency="USD", problem="",
)  # fmt: skip
CASES: Mapping[str, Report] = {
    "answered": CALL,
    "nothing kept": replace(CALL, input=None, output=None, first_token_at=None, session_id="", variant="auto:b"),
    "failed": replace(CALL, status="error", problem="it broke"),
    "long": replace(CALL, input="x" * 30_000, name="n" * 300, user_id="u" * 300),
    "refused": replace(CALL, model="", assistant="", verdict="tokens_day"),
}


@pytest.fixture(scope="module")
def sdk() -> Iterator[tuple[Langfuse, TracerProvider, InMemorySpanExporter]]:
    """Langfuse's SDK, whose spans stay in memory."""
    kept, provider = InMemorySpanExporter(), TracerProvider()
    client = Langfuse(
        public_key="pk-spans",
        secret_key="sk",
        base_url="http://127.0.0.1:1",
        tracer_provider=provider,
        span_exporter=kept,
        should_export_span=lambda span: False,
    )
    provider.add_span_processor(SimpleSpanProcessor(kept))
    yield client, provider, kept
    provider.shutdown()


@pytest.mark.parametrize("case", CASES)
def test_our_spans_are_the_sdks(sdk: tuple[Langfuse, TracerProvider, InMemorySpanExporter], case: str) -> None:
    """Name, times, status, parent, scope and every attribute are what the SDK writes for the same turn."""
    client, provider, kept = sdk
    kept.clear()
    report = CASES[case]
    _made_by_the_sdk(client, provider, report)
    ours = spans_of(report, Resource.create())
    assert [_told(span) for span in ours] == [_told(span) for span in kept.get_finished_spans()]
    assert {f"{span.context.trace_id:032x}" for span in ours if span.context} == {report.trace_id}


def _told(span: ReadableSpan) -> dict[str, Any]:
    attributes = {name: list(v) if isinstance(v, tuple) else v for name, v in (span.attributes or {}).items()}
    scope = span.instrumentation_scope
    return {
        "name": span.name,
        "times": (span.start_time, span.end_time),
        "status": (span.status.status_code, span.status.description),
        "inner": span.parent is not None,
        "scope": scope and scope.name,
        **attributes,
    }


def _made_by_the_sdk(client: Langfuse, provider: TracerProvider, report: Report) -> None:
    tracer = provider.get_tracer("langfuse-sdk")
    began, ended = (int(moment.timestamp() * 10**6) * 1000 for moment in (report.started, report.ended))
    tags = [f"door:{report.door}", f"plan:{report.plan}", f"kind:{report.kind}"]
    tags += [f"assistant:{report.assistant}"] if report.assistant else []
    tags += [f"variant:{report.variant}"] if report.variant else []
    metadata = {name: getattr(report, name) for name in ("email", "verdict", "request_id", "currency")}
    first = report.first_token_at
    said: dict[str, Any] = {
        "langfuse_client": client, "input": report.input, "output": report.output,
        "level": "ERROR" if report.problem else "DEFAULT", "status_message": report.problem or None,
    }  # fmt: skip
    with propagate_attributes(
        user_id=report.user_id[:200],
        session_id=report.session_id or None,
        tags=tags,
        metadata=metadata,
        trace_name=report.name[:200],
    ):
        outer = tracer.start_span(report.kind, start_time=began)
        root = LangfuseSpan(otel_span=outer, **said)
        if report.model:
            inner = tracer.start_span("completion", context=otel.set_span_in_context(outer), start_time=began)
            usage = {"input": report.prompt_tokens, "output": report.completion_tokens}
            LangfuseGeneration(
                otel_span=inner,
                model=report.model,
                model_parameters=dict(report.parameters),
                completion_start_time=first,
                usage_details={**usage, "total": sum(usage.values())},
                cost_details={"total": float(report.cost)},
                metadata={
                    "provider": report.provider,
                    "status": report.status,
                    "estimated": report.estimated,
                    "first_token_ms": None if first is None else int((first - report.started).total_seconds() * 1000),
                },
                **said,
            ).end(end_time=ended)
        root.end(end_time=ended)
