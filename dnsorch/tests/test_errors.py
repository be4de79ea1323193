"""Errors as problem documents."""

from __future__ import annotations

import sqlite3
from typing import Any

import psycopg2.errors
import pytest
from django.core.exceptions import (
    DisallowedHost,
    PermissionDenied,
    RequestDataTooBig,
)
from django.db import (
    DatabaseError,
    InterfaceError,
    OperationalError,
    ProgrammingError,
)
from django.http import Http404
from django.test import Client, RequestFactory
from rest_framework import exceptions as drf
from rest_framework.test import APIClient
from structlog.testing import capture_logs

from dnsorch.api import errors
from dnsorch.exceptions import (
    IdempotencyInProgress,
    Invalid,
    PreconditionFailed,
    Reason,
    ZoneNotFound,
)
from dnsorch.tests import api_urls

pytestmark = pytest.mark.urls("dnsorch.tests.api_urls")


def caused(exc: Exception, cause: Exception) -> Exception:
    """Return ``exc`` as Django raises it around the driver's error."""
    exc.__cause__ = cause
    return exc


def sqlite(code: int, message: str) -> Exception:
    """Return an SQLite error with a result code."""
    cause = sqlite3.OperationalError(message)
    cause.sqlite_errorcode = code
    return caused(OperationalError(message), cause)


BUSY = (503, "database_busy", {"Retry-After": "1"})
BROKEN: tuple[int, str, dict[str, str]] = (500, "internal_error", {})
BEARER = 'Bearer realm="dnsorch"'


@pytest.mark.parametrize(
    ("exc", "expected"),
    [
        (ZoneNotFound(), (404, "zone_not_found", {})),
        (PreconditionFailed(), (412, "precondition_failed", {})),
        (
            IdempotencyInProgress(retry_after=1.2),
            (409, "idempotency_in_progress", {"Retry-After": "2"}),
        ),
        (
            IdempotencyInProgress(),
            (409, "idempotency_in_progress", {"Retry-After": "1"}),
        ),
        (drf.ParseError(), (400, "invalid", {})),
        (drf.ValidationError("x"), (400, "invalid", {})),
        (
            drf.NotAuthenticated(),
            (401, "not_authenticated", {"WWW-Authenticate": BEARER}),
        ),
        (
            drf.AuthenticationFailed(),
            (
                401,
                "invalid_token",
                {"WWW-Authenticate": f'{BEARER}, error="invalid_token"'},
            ),
        ),
        (drf.PermissionDenied(), (403, "forbidden", {})),
        (drf.NotFound(), (404, "not_found", {})),
        (drf.MethodNotAllowed("PUT"), (405, "method_not_allowed", {})),
        (drf.NotAcceptable(), (406, "not_acceptable", {})),
        (drf.UnsupportedMediaType("a/b"), (415, "unsupported_media_type", {})),
        (drf.Throttled(wait=7), (429, "throttled", {"Retry-After": "7"})),
        (drf.APIException(), BROKEN),
        (Http404("No Zone matches"), (404, "not_found", {})),
        (PermissionDenied(), (403, "forbidden", {})),
        (RequestDataTooBig(), (413, "body_too_large", {})),
        (DisallowedHost("evil"), (400, "invalid", {})),
        (sqlite(5, "database is locked"), BUSY),
        (sqlite(261, "database is locked"), BUSY),
        (sqlite(14, "unable to open database file"), BUSY),
        (sqlite(1, "no such table: zone"), BROKEN),
        (caused(OperationalError("x"), psycopg2.errors.LockNotAvailable()), BUSY),
        (caused(OperationalError("x"), psycopg2.errors.QueryCanceled()), BUSY),
        (caused(OperationalError("x"), psycopg2.errors.DeadlockDetected()), BUSY),
        (OperationalError("connection refused"), BUSY),
        (InterfaceError("connection already closed"), BUSY),
        (caused(DatabaseError("no message"), psycopg2.DatabaseError()), BUSY),
        (DatabaseError("Save with update_fields did not affect any rows."), BROKEN),
        (ProgrammingError("no such table"), BROKEN),
        (ValueError("hunter2"), BROKEN),
    ],
    ids=lambda value: type(value).__name__,
)
def test_each_exception_is_one_problem(
    exc: Exception, expected: tuple[int, str, dict[str, str]]
) -> None:
    request = RequestFactory().get("/api/v1/zones/?token=hunter2")
    status, body, headers = errors.problem(exc, request)
    assert (status, body["code"], headers) == expected
    assert (body["type"], body["status"]) == (f"/problems/{body['code']}", status)
    assert body["instance"] == "/api/v1/zones/"
    assert body["title"] and body["detail"]
    assert "hunter2" not in str(body)


def test_a_problem_carries_reasons_and_further_members() -> None:
    exc = Invalid(
        "Two things.",
        reasons=(Reason("/a", "x", "An a."), Reason("", "y", "A y.")),
        extra={"request_id": "019a", "status": "cannot be overwritten"},
    )
    assert errors.problem(exc, None).body == {
        "request_id": "019a",
        "type": "/problems/invalid",
        "title": "The request is wrong by itself.",
        "status": 400,
        "detail": "Two things.",
        "instance": "",
        "code": "invalid",
        "errors": [
            {"pointer": "/a", "code": "x", "detail": "An a."},
            {"pointer": "", "code": "y", "detail": "A y."},
        ],
    }


@pytest.mark.parametrize(
    ("detail", "expected"),
    [
        ("wrong", [("", "invalid")]),
        ({"ttl": ["low", "odd"]}, [("/ttl", "invalid"), ("/ttl", "invalid")]),
        ({"a": {"b~/c": ["x"]}}, [("/a/b~0~1c", "invalid")]),
        ({"a": [{}, {"b": ["x"]}]}, [("/a/1/b", "invalid")]),
        ({"a": {2: ["x"]}}, [("/a/2", "invalid")]),
        ({"a": {"non_field_errors": ["x"]}}, [("/a", "invalid")]),
        ({"non_field_errors": ["x"]}, [("", "invalid")]),
        ([{}, {"a": ["x"]}], [("/1/a", "invalid")]),
    ],
)
def test_nested_errors_become_pointers(
    detail: Any, expected: list[tuple[str, str]]
) -> None:
    found = errors.reasons(drf.ValidationError(detail).detail)
    assert [(reason.pointer, reason.code) for reason in found] == expected


def test_one_fault_is_said_in_the_detail_itself(api: APIClient) -> None:
    answer = api.post("/api/validated/", {"items": [{"name": 1}]})
    assert answer.status_code == 400
    assert answer.headers["Content-Type"] == "application/problem+json"
    assert answer.json() == {
        "type": "/problems/invalid",
        "title": "The request is wrong by itself.",
        "status": 400,
        "detail": "/items/0/name: Expected a string.",
        "instance": "/api/validated/",
        "code": "invalid",
        "errors": [
            {
                "pointer": "/items/0/name",
                "code": "invalid_type",
                "detail": "Expected a string.",
            }
        ],
    }


def test_several_faults_are_counted_in_the_detail(api: APIClient) -> None:
    answer = api.post("/api/validated/", {"items": [{"name": 1}], "x": 1})
    assert answer.json()["detail"] == "2 things are wrong with the body; see errors."


def test_a_malformed_body_is_a_problem(api: APIClient) -> None:
    answer = api.post(
        "/api/echo/", '{"a":\n 1, "a": 2}', content_type="application/json"
    )
    assert (answer.status_code, answer.json()["code"]) == (400, "malformed_body")
    assert answer.json()["errors"] == [
        {
            "pointer": "/a",
            "code": "duplicate_key",
            "detail": "named twice in one object",
        }
    ]


@pytest.mark.parametrize(
    ("call", "status", "code"),
    [
        ({"method": "DELETE", "path": "/api/echo/"}, 405, "method_not_allowed"),
        (
            {"method": "GET", "path": "/api/echo/", "HTTP_ACCEPT": "text/html"},
            406,
            "not_acceptable",
        ),
        (
            {"method": "POST", "path": "/api/echo/", "content_type": "text/csv"},
            415,
            "unsupported_media_type",
        ),
        (
            {
                "method": "POST",
                "path": "/api/echo/",
                "content_type": "application/json; charset=latin-1",
            },
            415,
            "unsupported_media_type",
        ),
        ({"method": "GET", "path": "/api/throttled/"}, 429, "throttled"),
    ],
    ids=lambda value: str(value) if isinstance(value, int) else "",
)
def test_rest_framework_s_refusals_are_problems(
    api: APIClient, call: dict[str, Any], status: int, code: str
) -> None:
    answer = api.generic(data="{}", **call)
    assert (answer.status_code, answer.json()["code"]) == (status, code)
    assert answer.headers["Content-Type"] == "application/problem+json"


def test_a_throttle_says_when_to_come_again(api: APIClient) -> None:
    assert api.get("/api/throttled/").headers["Retry-After"] == "3"


def test_a_bug_is_a_problem_and_its_trace_is_in_the_log_only(api: APIClient) -> None:
    api_urls.RAISED["bug"] = bug = RuntimeError("hunter2")
    with capture_logs() as logs:
        answer = api.get("/api/raise/bug/")
    assert (answer.status_code, answer.json()["code"]) == (500, "internal_error")
    assert b"hunter2" not in answer.content and b"Traceback" not in answer.content
    (failed,) = [line for line in logs if line["event"] == "request failed"]
    assert (failed["log_level"], failed["exc_info"]) == ("error", bug)


def test_a_busy_database_is_a_503_in_the_log_without_a_trace(api: APIClient) -> None:
    api_urls.RAISED["busy"] = sqlite(5, "database is locked")
    with capture_logs() as logs:
        answer = api.get("/api/raise/busy/")
    assert (answer.status_code, answer.headers["Retry-After"]) == (503, "1")
    (failed,) = [line for line in logs if line["event"] == "request failed"]
    assert failed["log_level"] == "warning"
    assert "exc_info" not in failed


def test_an_error_of_ours_passes_as_it_is(api: APIClient) -> None:
    api_urls.RAISED["ours"] = ZoneNotFound("No zone example.test. is registered.")
    answer = api.get("/api/raise/ours/")
    assert (answer.status_code, answer.json()["code"]) == (404, "zone_not_found")
    assert answer.json()["detail"] == "No zone example.test. is registered."


@pytest.mark.parametrize(
    ("exc", "status", "code"),
    [
        (DisallowedHost("hunter2"), 400, "invalid"),
        (PermissionDenied("hunter2"), 403, "forbidden"),
        (Http404("hunter2"), 404, "not_found"),
        (RuntimeError("hunter2"), 500, "internal_error"),
    ],
)
def test_plain_django_answers_with_problems_too(
    exc: Exception, status: int, code: str
) -> None:
    api_urls.RAISED["plain"] = exc
    client = Client(raise_request_exception=False)
    for path in ("/api/plain/plain/", "/plain/plain/"):
        answer = client.get(path)
        assert (answer.status_code, answer.json()["code"]) == (status, code)
        assert answer.headers["Content-Type"] == "application/problem+json"
        assert b"hunter2" not in answer.content
    in_browser = client.get("/api/plain/plain/", HTTP_ACCEPT="text/html")
    assert in_browser.headers["Content-Type"] == "application/problem+json"
    page = client.get("/plain/plain/", HTTP_ACCEPT="text/html,*/*")
    assert page.status_code == status
    assert page.headers["Content-Type"].startswith("text/html")
