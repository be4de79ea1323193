"""The API's own metrics."""

from __future__ import annotations

from typing import Final

from django.http import HttpRequest, HttpResponseBase
from prometheus_client import Histogram

_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})

HTTP_SECONDS: Final = Histogram(
    "dnsorch_http_request_seconds",
    "How long answers took, by method, route and status.",
    ["method", "route", "status"],
)


def observe(request: HttpRequest, response: HttpResponseBase, seconds: float) -> None:
    """Count an answer; what a client makes up becomes no label of its own."""
    HTTP_SECONDS.labels(
        method=method(request),
        route=route(request),
        status=str(response.status_code),
    ).observe(seconds)


def method(request: HttpRequest) -> str:
    """Return the method of a request, if it is one of those that there are."""
    return request.method if request.method in _METHODS else "other"


def route(request: HttpRequest) -> str:
    """Return the pattern that the path of an answered request has matched."""
    match = request.resolver_match
    return match.route if match is not None else "unmatched"
