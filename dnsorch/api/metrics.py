"""The API's own metrics."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponseBase
from prometheus_client import Histogram

_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})

HTTP_SECONDS = Histogram(
    "dnsorch_http_request_seconds",
    "How long answers took, by method, route and status.",
    ["method", "route", "status"],
)


def observe(request: HttpRequest, response: HttpResponseBase, seconds: float) -> None:
    """Count an answer; what a client makes up becomes no label of its own."""
    match = request.resolver_match
    HTTP_SECONDS.labels(
        method=request.method if request.method in _METHODS else "other",
        route=match.route if match is not None else "unmatched",
        status=str(response.status_code),
    ).observe(seconds)
