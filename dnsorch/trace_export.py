"""Where spans go: to an OTLP collector over HTTP, to a file, or to both.

Made in each process when it has its first span: a process that forks (Celery's, or
granian's) leaves no thread and no connection to its children. Spans are exported by a
thread; what it cannot keep up with is dropped, and a collector that is away costs a
line in the log. The SDK reads the other standard variables (``OTEL_*``) itself.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from logging import CRITICAL, getLogger
from multiprocessing.util import Finalize
from pathlib import Path
from threading import Lock

import structlog
from django.conf import settings
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import (
    BatchSpanProcessor,
    SpanExporter,
    SpanExportResult,
)
from opentelemetry.trace import Tracer

log = structlog.get_logger(__name__)

# How long a process that ends waits for its last spans to be taken.
LAST_EXPORT_S = 3.0


class FileExporter(SpanExporter):
    """Appends spans to a file, one JSON object a line; processes may share it."""

    def __init__(self, path: Path) -> None:
        """Write to ``path``, which is made if it is not there."""
        self._path = path

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        """Write spans at once, so that those of other processes stay whole."""
        lines = "".join(f"{span.to_json(indent=None)}\n" for span in spans)
        with self._path.open("ab", buffering=0) as file:
            file.write(lines.encode())
        return SpanExportResult.SUCCESS


class Reporting(SpanExporter):
    """Says once that an exporter fails, and once that it works again."""

    def __init__(self, exporter: SpanExporter, target: str) -> None:
        """``target`` is what the log calls it."""
        self._exporter = exporter
        self._target = target
        self._failing = False

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        """Export spans; whatever goes wrong, they are lost and nothing else is."""
        error = "refused or not reached"
        try:
            result = self._exporter.export(spans)
        except Exception as exc:  # a full disk must not end the exporting thread
            result, error = SpanExportResult.FAILURE, type(exc).__name__
        failing = result is not SpanExportResult.SUCCESS
        if failing and not self._failing:
            log.warning("traces are lost", target=self._target, error=error)
        elif self._failing and not failing:
            log.info("traces are taken again", target=self._target)
        self._failing = failing
        return result

    def shutdown(self) -> None:
        """End the exporter."""
        self._exporter.shutdown()


class BoundedProcessor(BatchSpanProcessor):
    """Ends within :data:`LAST_EXPORT_S`; the SDK's own would wait for 30 seconds."""

    def shutdown(self) -> None:
        """Export what is left, as far as the time allows."""
        self._batch_processor.shutdown(int(LAST_EXPORT_S * 1000))


@dataclass
class _Process:
    """What this process has: nothing before its first span."""

    lock: Lock
    provider: TracerProvider | None = None
    tracer: Tracer | None = None


_process = _Process(Lock())


def _forget() -> None:
    global _process
    _process = _Process(Lock())


os.register_at_fork(after_in_child=_forget)


def tracer() -> Tracer:
    """Return the process's tracer, with the exporters that the settings name."""
    made = _process.tracer
    if made is not None:
        return made
    with _process.lock:
        if _process.tracer is None:
            provider = _process.provider = _provider()
            _process.tracer = provider.get_tracer("dnsorch")
            # Runs also at the end of a forked process, which knows no atexit.
            Finalize(None, shutdown, exitpriority=0)
        return _process.tracer


def shutdown() -> None:
    """Export what is left and stop, within a bounded time."""
    provider = _process.provider
    _forget()
    if provider is not None:
        provider.shutdown()


def _provider() -> TracerProvider:
    provider = TracerProvider(
        resource=Resource.create(
            {"service.name": settings.OTEL_SERVICE_NAME, "process.pid": os.getpid()}
        ),
        shutdown_on_exit=False,
    )
    for exporter in _exporters():
        provider.add_span_processor(BoundedProcessor(exporter))
    return provider


def _exporters() -> list[SpanExporter]:
    made: list[SpanExporter] = []
    if origin := settings.OTEL_EXPORTER_OTLP_ENDPOINT:
        # It would say for each batch what Reporting says once.
        getLogger(OTLPSpanExporter.__module__).setLevel(CRITICAL)
        url = f"{origin.rstrip('/')}/v1/traces"
        made.append(Reporting(OTLPSpanExporter(endpoint=url), "collector"))
    if path := settings.DNSORCH_TRACE_FILE:
        made.append(Reporting(FileExporter(Path(path)), "file"))
    return made
