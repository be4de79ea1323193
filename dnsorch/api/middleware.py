"""What happens around every request: its id, its log line, its largest body."""

from __future__ import annotations

import time
from collections.abc import Callable
from io import BufferedReader

import structlog
from django.http import HttpRequest, HttpResponseBase

from dnsorch import clock, tracing
from dnsorch.api import errors, metrics, parsers, trace
from dnsorch.tracing import Span, SpanKind

log = structlog.get_logger(__name__)

GetResponse = Callable[[HttpRequest], HttpResponseBase]
_PROBES = frozenset({"/livez", "/readyz", "/metrics"})


class CorrelationMiddleware:
    """Stamps a request and logs it; comes first, so that every answer has an id.

    Sets ``received_at``, ``correlation_id`` (of ``X-Request-ID``, or a new one) and
    ``traceparent`` on the request, binds them for the log, and echoes the id. Where
    spans are exported, the traceparent is that of the answer's own span, a child of
    what the client sent. Neither log line nor span has the body or the query, since
    either may hold what no log may.
    """

    def __init__(self, get_response: GetResponse) -> None:
        """Keep what answers the request."""
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        """Answer the request, with its id on both sides."""
        traced = trace.of(request)
        traced.received_at = clock.now()
        headers = request.headers
        traced.correlation_id = trace.correlation_id(headers.get("X-Request-ID"))
        traced.traceparent = trace.traceparent(headers.get("traceparent"))
        structlog.contextvars.clear_contextvars()
        structlog.contextvars.bind_contextvars(correlation_id=traced.correlation_id)
        try:
            if request.path in _PROBES:
                return self._answer(traced)
            with tracing.span(
                metrics.method(request),
                parent=traced.traceparent,
                kind=SpanKind.SERVER,
                attributes={"dnsorch.correlation_id": traced.correlation_id},
            ) as span:
                traced.traceparent = tracing.traceparent() or traced.traceparent
                response = self._answer(traced)
                _describe(span, request, response)
                return response
        finally:
            structlog.contextvars.clear_contextvars()

    def _answer(self, traced: trace.TracedRequest) -> HttpResponseBase:
        begin = time.monotonic()
        if traced.traceparent:
            structlog.contextvars.bind_contextvars(
                traceparent=traced.traceparent,
                trace_id=tracing.trace_id(traced.traceparent),
            )
        response = self.get_response(traced)
        response.headers["X-Request-ID"] = traced.correlation_id
        seconds = time.monotonic() - begin
        metrics.observe(traced, response, seconds)
        write = log.debug if traced.path in _PROBES else log.info
        write(
            "request",
            method=traced.method,
            path=traced.path,
            status=response.status_code,
            seconds=round(seconds, 4),
        )
        return response


def _describe(span: Span, request: HttpRequest, response: HttpResponseBase) -> None:
    """Name a span after what was asked for and say how it was answered."""
    if not span.is_recording():
        return
    method, route = metrics.method(request), metrics.route(request)
    span.update_name(f"{method} {route}")
    span.set_attribute("http.request.method", method)
    span.set_attribute("http.route", route)
    span.set_attribute("http.response.status_code", response.status_code)
    if response.status_code >= 500:
        tracing.fail(span, str(response.status_code))


class BodyLimitMiddleware:
    """Refuses a body over the limit, by its length or while reading it.

    Django takes a body without a length (chunked, RFC 9112 section 7.1) for an empty
    one. Here it is one of at most the limit, where the server marks its end, and
    read by who needs it: not before the caller is known. The API waits for so many
    bodies at the same time, and no more.
    """

    def __init__(self, get_response: GetResponse) -> None:
        """Keep what answers the request."""
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        """Answer the request, or refuse it with 413."""
        try:
            self._check(request)
        except parsers.BodyTooLarge as exc:
            return errors.response(exc, request)
        return self.get_response(request)

    def _check(self, request: HttpRequest) -> None:
        meta = request.META
        length = meta.get("CONTENT_LENGTH") or ""
        limit = parsers.limit_of(meta.get("CONTENT_TYPE", ""))
        if length.isdecimal() and int(length[:19]) > limit:
            raise parsers.too_large(limit)
        chunked = "chunked" in meta.get("HTTP_TRANSFER_ENCODING", "").lower()
        if chunked and not length and meta.get("wsgi.input_terminated"):
            meta["CONTENT_LENGTH"] = str(limit)
            stream = meta["wsgi.input"]
        elif request.path.startswith("/api/"):
            stream = getattr(request, "_stream")  # noqa: B009
        else:
            return
        # The attribute from which Django reads a body, as its test client sets it.
        body = BufferedReader(parsers.Arriving(stream, limit))
        setattr(request, "_stream", body)  # noqa: B010
