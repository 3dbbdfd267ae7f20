"""Reports to Langfuse through its SDK, in a thread of their own.

A report waits in a bounded queue; the thread makes the spans and hands them to an exporter that posts each batch
at once and counts what it could not deliver. Langfuse being down, slow or hanging costs the guest nothing, memory
stays bounded, and closing takes at most CLOSE seconds (the SDK's own flush() was seen to block for 80 s).
"""

from __future__ import annotations

import base64
import logging
import queue
import random
import threading
import time
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from langfuse import Langfuse, LangfuseGeneration, LangfuseSpan, LangfuseTool, propagate_attributes
from opentelemetry import trace as otel
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SpanExporter, SpanExportResult
from opentelemetry.sdk.trace.id_generator import IdGenerator

from maitre.faults import outline
from maitre.tracing.trace import Report, ToolReport

log = logging.getLogger(__name__)

WAITING = 500  # reports that may wait, for the thread and again for the exporter
TIMEOUT = 3  # seconds that Langfuse may take for one batch
BATCH = 64  # reports a batch
PAUSE = 5.0  # seconds to wait after a batch that failed
CLOSE = 3.0  # seconds for what is left at the end
LARGEST = 100_000  # characters of an input or output that are traced


class LangfuseTracer:
    """A Tracer that keeps the book in Langfuse."""

    def __init__(self, url: str, public_key: str, secret_key: str) -> None:
        self._queue: queue.Queue[Report | ToolReport] = queue.Queue(WAITING)
        self._sent = self._dropped = 0
        self._spans: list[ReadableSpan] = []
        self._closing = threading.Event()
        self._exporter = OTLPSpanExporter(
            endpoint=f"{url}/api/public/otel/v1/traces",
            headers=_headers(public_key, secret_key),
            timeout=TIMEOUT,
        )
        self._ids = _TraceIds()
        provider = TracerProvider(id_generator=self._ids)
        self._langfuse = Langfuse(
            public_key=public_key,
            secret_key=secret_key,
            base_url=url,
            tracer_provider=provider,
            span_exporter=_Nowhere(),
            should_export_span=lambda span: False,
        )
        # Our processor comes after the SDK's, which sets user, session and tags when a span starts.
        provider.add_span_processor(_Keep(self._spans))  # type: ignore[arg-type]
        self._tracer = provider.get_tracer("langfuse-sdk")
        for name in ("opentelemetry.exporter.otlp.proto.http.trace_exporter", "opentelemetry.sdk.trace.export"):
            logging.getLogger(name).addFilter(_once_a_minute())
        logging.getLogger("langfuse").addFilter(_one_line)
        self._thread = threading.Thread(target=self._work, name="maitre-tracing", daemon=True)
        self._thread.start()

    def report(self, report: Report | ToolReport) -> None:
        try:
            self._queue.put_nowait(report)
        except queue.Full:
            self._dropped += 1

    def counters(self) -> Mapping[str, int]:
        return {"traces_sent": self._sent, "traces_dropped": self._dropped}

    def close(self) -> None:
        """Send what can be sent in CLOSE seconds; the rest is dropped and counted."""
        self._closing.set()
        self._thread.join(CLOSE)

    # ── the thread ───────────────────────────────────────────────────────────────────────────────────────

    def _work(self) -> None:
        while True:
            batch = self._next()
            if batch:
                self._deliver(batch)
            elif self._closing.is_set():
                return

    def _next(self) -> list[Report | ToolReport]:
        batch: list[Report | ToolReport] = []
        try:
            batch.append(self._queue.get(timeout=0.2))
            while len(batch) < BATCH:
                batch.append(self._queue.get_nowait())
        except queue.Empty:
            pass
        return batch

    def _deliver(self, batch: Sequence[Report | ToolReport]) -> None:
        try:
            for report in batch:
                if isinstance(report, ToolReport):
                    self._spell_tool(report)
                else:
                    self._spell(report)
            delivered = self._exporter.export(list(self._spans)) is SpanExportResult.SUCCESS
        except Exception as fault:  # noqa: BLE001 - whatever it is, tracing never hurts
            log.warning("Traces could not be written: %s", outline(fault))
            delivered = False
        finally:
            self._spans.clear()
        if delivered:
            self._sent += len(batch)
        else:
            self._dropped += len(batch)
            # A server that is down is not asked again at once; at closing time nobody waits for it.
            self._closing.wait(PAUSE)
            if self._closing.is_set():
                self._dropped += self._queue.qsize()
                with self._queue.mutex:
                    self._queue.queue.clear()

    def _spell(self, report: Report) -> None:
        started, ended = _ns(report.started), _ns(report.ended)
        level: Any = "ERROR" if report.status == "error" else "WARNING" if report.problem else "DEFAULT"
        tags = [f"door:{report.door}", f"plan:{report.plan}", f"kind:{report.kind}"]
        if report.assistant:
            tags.append(f"assistant:{report.assistant}")
        if report.variant:
            tags.append(f"variant:{report.variant}")
        metadata = {
            "email": report.email,
            "verdict": report.verdict,
            "request_id": report.request_id,
            "currency": report.currency,
        }
        with propagate_attributes(
            user_id=report.user_id[:200],
            session_id=report.session_id[:200] or None,
            tags=tags,
            metadata={key: value[:200] for key, value in metadata.items()},
            trace_name=report.name[:200],
        ):
            self._ids.next_trace = int(report.trace_id, 16)
            span = self._tracer.start_span(report.kind, start_time=started)
            root = LangfuseSpan(
                otel_span=span,
                langfuse_client=self._langfuse,
                input=_cut(report.input),
                output=_cut(report.output),
                level=level,
                status_message=report.problem or None,
            )
            if report.model:
                self._generation(report, span, level)
            root.end(end_time=ended)

    def _spell_tool(self, report: ToolReport) -> None:
        with propagate_attributes(
            user_id=report.user_id[:200],
            session_id=report.session_id[:200] or None,
            tags=[f"door:{report.door}", f"plan:{report.plan}", f"assistant:{report.assistant}"],
            trace_name=report.name[:200],
        ):
            self._ids.next_trace = int(report.trace_id, 16)
            span = self._tracer.start_span(report.tool, start_time=_ns(report.started))
            LangfuseTool(
                otel_span=span,
                langfuse_client=self._langfuse,
                input=_cut(report.arguments),
                output=_cut(report.result),
                level="WARNING" if report.failed else "DEFAULT",
                metadata={"arguments_size": report.arguments_size, "result_size": report.result_size},
            ).end(end_time=_ns(report.ended))

    def _generation(self, report: Report, parent: otel.Span, level: Any) -> None:
        first = report.first_token_at
        inner = self._tracer.start_span(
            "completion", context=otel.set_span_in_context(parent), start_time=_ns(report.started)
        )
        LangfuseGeneration(
            otel_span=inner,
            langfuse_client=self._langfuse,
            model=report.model,
            model_parameters=dict(report.parameters),
            input=_cut(report.input),
            output=_cut(report.output),
            level=level,
            status_message=report.problem or None,
            completion_start_time=first,
            usage_details={
                "input": report.prompt_tokens,
                "output": report.completion_tokens,
                "total": report.prompt_tokens + report.completion_tokens,
            },
            cost_details={"total": float(report.cost)},
            metadata={
                "provider": report.provider,
                "status": report.status,
                "estimated": report.estimated,
                "first_token_ms": None if first is None else int((first - report.started).total_seconds() * 1000),
            },
        ).end(end_time=_ns(report.ended))


class _Keep:
    """A span processor that puts finished spans where the thread exports them itself."""

    def __init__(self, spans: list[ReadableSpan]) -> None:
        self._spans = spans

    def on_start(self, span: Any, parent_context: Any = None) -> None:
        """Nothing to do yet."""

    def on_end(self, span: ReadableSpan) -> None:
        self._spans.append(span)

    def _on_ending(self, span: Any) -> None:
        """Nothing to add."""

    def shutdown(self) -> None:
        """Nothing to close."""

    def force_flush(self, timeout_millis: int = 0) -> bool:
        return True


class _Nowhere(SpanExporter):
    """The SDK's own exporter is not used: its queue and its retries are not ours to bound."""

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        return SpanExportResult.SUCCESS


class _TraceIds(IdGenerator):
    """Trace ids given from outside, so that the calls of one turn share a trace."""

    next_trace = 0

    def generate_trace_id(self) -> int:
        return self.next_trace or random.getrandbits(128)

    def generate_span_id(self) -> int:
        return random.getrandbits(64) or 1


def _headers(public_key: str, secret_key: str) -> dict[str, str]:
    credentials = base64.b64encode(f"{public_key}:{secret_key}".encode()).decode()
    return {
        "Authorization": f"Basic {credentials}",
        "x-langfuse-sdk-name": "python",
        "x-langfuse-public-key": public_key,
    }


def _once_a_minute() -> logging.Filter:
    class OnceAMinute(logging.Filter):
        """The exporter logs every failed batch twice; a night of that fills a disk."""

        last = 0.0

        def filter(self, record: logging.LogRecord) -> bool:
            now = time.monotonic()
            if now - self.last < 60:
                return False
            self.last = now
            return True

    return OnceAMinute()


def _one_line(record: logging.LogRecord) -> bool:
    # The SDK logs a traceback for every text that only looks like a data URI, and a guest may write many.
    record.exc_info = None
    return True


def _ns(moment: datetime) -> int:
    return int(moment.timestamp() * 1_000_000) * 1000


def _cut(value: Any) -> Any:
    return value[:LARGEST] if isinstance(value, str) else value
