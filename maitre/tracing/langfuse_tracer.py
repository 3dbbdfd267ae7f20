"""Reports to Langfuse, in a thread of their own.

A report waits in a bounded queue; the thread makes the spans and hands them to an exporter that posts each batch
at once and counts what it could not deliver. Langfuse being down, slow or hanging costs the guest nothing, memory
stays bounded, and closing takes at most CLOSE seconds (the SDK's own flush() was seen to block for 80 s).
"""

from __future__ import annotations

import base64
import logging
import queue
import threading
import time
from collections.abc import Mapping, Sequence

from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace.export import SpanExportResult

from maitre.faults import outline
from maitre.tracing.langfuse_spans import spans_of
from maitre.tracing.trace import Report, ToolReport

log = logging.getLogger(__name__)

WAITING = 500  # reports that may wait, for the thread and again for the exporter
TIMEOUT = 3  # seconds that Langfuse may take for one batch
BATCH = 64  # reports a batch
PAUSE = 5.0  # seconds to wait after a batch that failed
CLOSE = 3.0  # seconds for what is left at the end


class LangfuseTracer:
    """A Tracer that keeps the book in Langfuse."""

    def __init__(self, url: str, public_key: str, secret_key: str) -> None:
        self._queue: queue.Queue[Report | ToolReport] = queue.Queue(WAITING)
        self._sent = self._dropped = 0
        self._resource = Resource.create()
        self._closing = threading.Event()
        self._exporter = OTLPSpanExporter(
            endpoint=f"{url}/api/public/otel/v1/traces",
            headers=_headers(public_key, secret_key),
            timeout=TIMEOUT,
        )
        for name in ("opentelemetry.exporter.otlp.proto.http.trace_exporter", "opentelemetry.sdk.trace.export"):
            logging.getLogger(name).addFilter(_once_a_minute())
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
            spans = [span for report in batch for span in spans_of(report, self._resource)]
            delivered = self._exporter.export(spans) is SpanExportResult.SUCCESS
        except Exception as fault:  # noqa: BLE001 - whatever it is, tracing never hurts
            log.warning("Traces could not be written: %s", outline(fault))
            delivered = False
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


def _headers(public_key: str, secret_key: str) -> dict[str, str]:
    credentials = base64.b64encode(f"{public_key}:{secret_key}".encode()).decode()
    return {
        "Authorization": f"Basic {credentials}",
        "x-langfuse-sdk-name": "python",
        "x-langfuse-public-key": public_key,
        # Without it Langfuse 4 shows a trace only some ten minutes later; our spans say all that it asks for.
        "x-langfuse-ingestion-version": "4",
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
