"""What happens around every request."""

from __future__ import annotations

import io
import re
from contextlib import ExitStack
from datetime import UTC, datetime
from typing import Any

import pytest
import structlog
from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.test import Client, RequestFactory
from prometheus_client import REGISTRY
from rest_framework.request import Request
from rest_framework.test import APIClient
from structlog.testing import capture_logs

from dnsorch import clock, tracing
from dnsorch.api import parsers, trace
from dnsorch.api.middleware import BodyLimitMiddleware, CorrelationMiddleware

pytestmark = pytest.mark.urls("dnsorch.tests.api_urls")

NOON = datetime(2026, 11, 22, 12, tzinfo=UTC)
UUID7 = re.compile(
    r"[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}"
)
MIB = 1024 * 1024
TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"
PARENT = f"00-{TRACE}-00f067aa0ba902b7-01"


@pytest.mark.parametrize(
    "given", ["a", "A-z.0_9", "x" * 128, "019ab000-0000-7000-8000-000000000000"]
)
def test_a_correlation_id_is_taken(given: str) -> None:
    assert trace.correlation_id(given) == given


@pytest.mark.parametrize("given", [None, "", "x" * 129, "a b", "a\n", "é", "a/b", "{}"])
def test_a_correlation_id_is_made_where_there_is_none(given: str | None) -> None:
    assert UUID7.fullmatch(trace.correlation_id(given))


@pytest.mark.parametrize(
    "given",
    [PARENT, f"00-{TRACE}-00f067aa0ba902b7-ff", f"01-{TRACE}-00f067aa0ba902b7-01-more"],
)
def test_a_valid_traceparent_is_taken(given: str) -> None:
    assert trace.traceparent(given) == given
    assert tracing.trace_id(given) == TRACE


@pytest.mark.parametrize(
    "given",
    [
        None,
        "",
        PARENT[:-1],
        PARENT + "-more",
        PARENT.upper(),
        PARENT + "\n",
        f"01-{TRACE}-00f067aa0ba902b7-01-\x1b[31m",
        f"ff-{TRACE}-00f067aa0ba902b7-01",
        f"00-{'0' * 32}-00f067aa0ba902b7-01",
        f"00-{TRACE}-{'0' * 16}-01",
        f"01-{TRACE}-00f067aa0ba902b7-01-" + "x" * 100,
    ],
)
def test_an_invalid_traceparent_is_none(given: str | None) -> None:
    assert trace.traceparent(given) == ""


def test_a_request_is_stamped_and_its_context_bound() -> None:
    seen: dict[str, Any] = {}

    def view(request: HttpRequest) -> HttpResponse:
        traced = trace.of(Request(request))
        seen.update(
            structlog.contextvars.get_contextvars(),
            stamped=(traced.correlation_id, traced.traceparent, traced.received_at),
        )
        structlog.contextvars.bind_contextvars(owner="left over")
        return HttpResponse()

    headers = {"X-Request-ID": "abc", "traceparent": PARENT}
    with clock.fixed(NOON):
        answer = CorrelationMiddleware(view)(RequestFactory().get("/", headers=headers))
    assert answer.headers["X-Request-ID"] == "abc"
    assert seen == {
        "correlation_id": "abc",
        "traceparent": PARENT,
        "trace_id": TRACE,
        "stamped": ("abc", PARENT, NOON),
    }
    assert structlog.contextvars.get_contextvars() == {}


def test_a_context_never_outlives_its_request() -> None:
    def view(request: HttpRequest) -> HttpResponse:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        CorrelationMiddleware(view)(RequestFactory().get("/"))
    assert structlog.contextvars.get_contextvars() == {}


@pytest.mark.parametrize("path", ["/livez", "/nowhere", "/api/nowhere/", "/api/echo/"])
def test_every_answer_echoes_its_id(path: str) -> None:
    answer = Client().get(path, headers={"X-Request-ID": "my.id"})
    assert answer.headers["X-Request-ID"] == "my.id"


def test_a_request_is_one_line_without_query_or_body(api: APIClient) -> None:
    with capture_logs() as logs:
        api.post("/api/echo/?key=hunter2", {"password": "hunter2"})
    (line,) = [line for line in logs if line["event"] == "request"]
    assert line.pop("seconds") >= 0
    assert line == {
        "event": "request",
        "log_level": "info",
        "method": "POST",
        "path": "/api/echo/",
        "status": 200,
    }


def test_probes_are_logged_for_debugging_only() -> None:
    with capture_logs() as logs:
        Client().get("/livez")
    assert [line["log_level"] for line in logs] == ["debug"]


def measured(*labels: str) -> float:
    """Return how many answers were counted under these labels."""
    names = dict(zip(("method", "route", "status"), labels, strict=True))
    count = REGISTRY.get_sample_value("dnsorch_http_request_seconds_count", names)
    return count or 0.0


def test_answers_are_measured_by_route_and_never_by_what_clients_make_up() -> None:
    known, unknown = ("GET", "livez", "200"), ("other", "unmatched", "404")
    before = measured(*known), measured(*unknown)
    Client().get("/livez")
    Client().generic("BREW", "/made/up/by/a/client")
    assert measured(*known) - before[0] == 1
    assert measured(*unknown) - before[1] == 1


# --- the body's size ----------------------------------------------------------------


def json_of(octets: int) -> bytes:
    """Return a JSON text of that length."""
    return b'"' + b"x" * (octets - 2) + b'"'


def test_a_body_of_one_mebibyte_is_read(api: APIClient) -> None:
    answer = api.post("/api/echo/", json_of(MIB), content_type="application/json")
    assert answer.status_code == 200
    assert len(answer.json()["data"]) == MIB - 2


@pytest.mark.parametrize("path", ["/api/echo/", "/size/"])
def test_a_larger_body_is_refused_by_its_length(path: str) -> None:
    answer = Client().post(path, json_of(MIB + 1), content_type="application/json")
    assert (answer.status_code, answer.json()["code"]) == (413, "body_too_large")
    assert answer.headers["Content-Type"] == "application/problem+json"
    assert answer.headers["X-Request-ID"]


class Chunks(io.RawIOBase):
    """A body that comes in chunks, and counts what was taken of it."""

    def __init__(self, size: int) -> None:
        self.left = size
        self.taken = 0

    def read(self, size: int = -1) -> bytes:
        """Return at most 100,000 octets."""
        count = min(self.left, size, 100_000)
        self.left -= count
        self.taken += count
        return b"x" * count


def chunked(body: Chunks, **extra: Any) -> HttpRequest:
    """Return a request whose length nobody has said."""
    request = RequestFactory().generic("POST", "/size/")
    request.META.pop("CONTENT_LENGTH", None)
    request.META.update(
        {
            "wsgi.input": body,
            "wsgi.input_terminated": True,
            "HTTP_TRANSFER_ENCODING": "chunked",
            **extra,
        }
    )
    return request


def view_of_size(request: HttpRequest) -> HttpResponse:
    """Answer with the length of the body."""
    return HttpResponse(str(len(request.body)))


def post_chunked(
    api: Any, body: Chunks, url: str = "/api/echo/", kind: str = "application/json"
) -> Any:
    """Post a body whose length nobody has said."""
    environ = {
        "wsgi.input": body,
        "wsgi.input_terminated": True,
        "HTTP_TRANSFER_ENCODING": "chunked",
    }
    return api.generic("POST", url, content_type=kind, **environ)


@pytest.mark.parametrize("size", [0, 1, 250_000, MIB])
def test_a_chunked_body_is_read_to_its_end(size: int) -> None:
    answer = BodyLimitMiddleware(view_of_size)(chunked(Chunks(size)))
    assert isinstance(answer, HttpResponse)
    assert answer.content == str(size).encode()


def test_a_chunked_body_is_refused_while_reading(api: APIClient) -> None:
    body = Chunks(100 * MIB)
    answer = post_chunked(api, body)
    assert (answer.status_code, answer.json()["code"]) == (413, "body_too_large")
    assert body.taken == MIB + 1


def test_a_chunked_form_is_refused_while_reading(db: None) -> None:
    body = Chunks(100 * MIB)
    form = "application/x-www-form-urlencoded"
    answer = post_chunked(Client(), body, "/size/", form)
    assert (answer.status_code, body.taken) == (413, MIB + 1)


def test_no_body_is_waited_for_before_the_caller_is_known(db: None) -> None:
    body = Chunks(10)
    assert post_chunked(APIClient(), body).status_code == 401
    assert body.taken == 0


def test_some_threads_wait_for_no_body(api: APIClient) -> None:
    with ExitStack() as held:
        for _ in range(settings.DNSORCH_BODY_SLOTS):
            held.enter_context(parsers.slot())
        answer = api.post("/api/echo/", b"{}", content_type="application/json")
        assert (answer.status_code, answer.json()["code"]) == (503, "too_many_bodies")
        assert answer.headers["Retry-After"] == "1"
    answer = api.post("/api/echo/", b"{}", content_type="application/json")
    assert answer.status_code == 200


def test_a_body_whose_end_the_server_does_not_mark_is_not_waited_for() -> None:
    body = Chunks(10)
    request = chunked(body, **{"wsgi.input_terminated": False})
    BodyLimitMiddleware(lambda _: HttpResponse())(request)
    assert body.taken == 0
