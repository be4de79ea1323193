"""Traces: one from the request that comes in to the answer of the name server.

A trace is carried as W3C Trace Context, the text of a ``traceparent``: in headers of
HTTP, Kafka and Celery, and in the row of a request, since one UPDATE serves many
requests and each has its part of it in its own trace. With no exporter set there are
no spans; what a caller sent is carried on all the same.

Spans hold identifiers and codes only: no text of an error, which might say too much.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from django.conf import settings
from opentelemetry import context as contexts
from opentelemetry import trace
from opentelemetry.context import Context
from opentelemetry.trace import INVALID_SPAN, Link, Span, SpanKind, StatusCode, Tracer
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

__all__ = ["Span", "SpanKind"]

Attributes = Mapping[str, str | bool | int | float]

HEADER = "traceparent"
_W3C = TraceContextTextMapPropagator()


def enabled() -> bool:
    """Say whether spans are exported; whoever would work for them asks first."""
    return bool(settings.OTEL_EXPORTER_OTLP_ENDPOINT or settings.DNSORCH_TRACE_FILE)


def traceparent(span: Span | None = None) -> str:
    """Return how others refer to ``span``, or to the running one; "" if none runs."""
    carrier: dict[str, str] = {}
    _W3C.inject(carrier, None if span is None else trace.set_span_in_context(span))
    return carrier.get(HEADER, "")


def trace_id(parent: str) -> str:
    """Return the id of the trace in a valid traceparent; "" for an empty one."""
    return parent[3:35]


def now() -> int:
    """Return the time as spans have it, in nanoseconds."""
    return time.time_ns()


@contextmanager
def span(
    name: str,
    *,
    parent: str | None = None,
    kind: SpanKind = SpanKind.INTERNAL,
    attributes: Attributes | None = None,
) -> Iterator[Span]:
    """Run the block in a span; an exception marks it as failed, by its class alone.

    ``parent`` is a traceparent, "" for a trace of its own, None for the running span.
    A running span that is not the parent is linked.
    """
    if not enabled():
        with _carrying(parent):
            yield INVALID_SPAN
        return
    made = begin(name, parent=parent, kind=kind, attributes=attributes)
    with trace.use_span(
        made, end_on_exit=True, record_exception=False, set_status_on_exception=False
    ):
        try:
            yield made
        except Exception as error:
            fail(made, type(error).__name__)
            raise


def begin(
    name: str,
    *,
    parent: str | None = None,
    kind: SpanKind = SpanKind.INTERNAL,
    attributes: Attributes | None = None,
    started: int | None = None,
) -> Span:
    """Return a span that does not become the running one; the caller ends it.

    ``started`` is a time of :func:`now`; the rest is as for :func:`span`.
    """
    if not enabled():
        return INVALID_SPAN
    context = None if parent is None else _context(parent)
    running = trace.get_current_span().get_span_context()
    of = trace.get_current_span(context).get_span_context()
    linked = running.is_valid and running.span_id != of.span_id
    return _tracer().start_span(
        name,
        context=context,
        kind=kind,
        attributes=attributes,
        links=[Link(running)] if linked else None,
        start_time=started,
    )


def fail(failed: Span, why: str) -> None:
    """Mark a span as failed; ``why`` is a code or the name of a class."""
    failed.set_attribute("error.type", why)
    failed.set_status(StatusCode.ERROR)


@contextmanager
def apart() -> Iterator[None]:
    """Run the block in no trace: what it starts is not the running span's doing."""
    with _carrying(""):
        yield


@contextmanager
def _carrying(parent: str | None) -> Iterator[None]:
    """Have ``parent`` passed on as it is, with no span of ours."""
    if parent is None:
        yield
        return
    token = contexts.attach(_context(parent))
    try:
        yield
    finally:
        contexts.detach(token)


def _context(parent: str) -> Context:
    return _W3C.extract({HEADER: parent}, Context())


def _tracer() -> Tracer:
    # The SDK is loaded only where it is used.
    from dnsorch import trace_export

    return trace_export.tracer()


def shutdown() -> None:
    """Export what is left, within a bounded time; for processes that end abruptly."""
    if enabled():
        from dnsorch import trace_export

        trace_export.shutdown()
