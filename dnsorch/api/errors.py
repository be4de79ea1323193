"""Errors as clients see them: problem documents (RFC 9457), and nothing else.

Whatever is raised becomes a :class:`DnsorchError` first, of which the problem is a
plain rendering. A traceback goes to the log, never into an answer.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any, NamedTuple

import structlog
from django.conf import settings
from django.core.exceptions import (
    DisallowedHost,
    PermissionDenied,
    RequestDataTooBig,
    SuspiciousOperation,
    TooManyFieldsSent,
)
from django.core.signals import got_request_exception
from django.db import DatabaseError, InterfaceError, OperationalError
from django.http import Http404, HttpRequest, HttpResponseBase, JsonResponse
from django.http.request import UnreadablePostError
from django.utils.encoding import escape_uri_path
from django.views import defaults
from rest_framework import exceptions as drf
from rest_framework.response import Response
from rest_framework.settings import api_settings

from dnsorch.api import parsers
from dnsorch.api.strict_json import pointer
from dnsorch.exceptions import (
    DatabaseBusy,
    DnsorchError,
    Forbidden,
    Invalid,
    NotFound,
    Reason,
)

log = structlog.get_logger(__name__)

MEDIA_TYPE = "application/problem+json"
REALM = 'Bearer realm="dnsorch"'
RETRY_AFTER_S = 1
# REST framework repeats what it was given: "… is not a valid choice".
_LONGEST_DETAIL = 500
# SQLite's "SQL error or missing database object" (no such table, say): our fault, and
# waiting does not help. https://www.sqlite.org/rescode.html
_SQLITE_ERROR = 1


class NotAuthenticated(DnsorchError):
    """The request has no token."""

    code = "not_authenticated"
    status = 401


class InvalidToken(DnsorchError):
    """The token is unknown, expired or revoked."""

    code = "invalid_token"
    status = 401


class MethodNotAllowed(DnsorchError):
    """This resource does not know that method."""

    code = "method_not_allowed"
    status = 405


class NotAcceptable(DnsorchError):
    """The answer cannot have the media type that is asked for."""

    code = "not_acceptable"
    status = 406


class UnsupportedMediaType(DnsorchError):
    """The body's media type is not one that the API reads."""

    code = "unsupported_media_type"
    status = 415


class Throttled(DnsorchError):
    """Too many requests of this caller."""

    code = "throttled"
    status = 429
    retryable = True


class InternalError(DnsorchError):
    """Something went wrong in dnsorch; the log has it under the correlation id."""

    code = "internal_error"
    status = 500


class Problem(NamedTuple):
    """A problem document with the status and the headers that go with it."""

    status: int
    body: dict[str, Any]
    headers: dict[str, str]


def problem(exc: Exception, request: HttpRequest | None) -> Problem:
    """Return the problem that ``exc`` is to the client of ``request``."""
    error = translate(exc)
    body: dict[str, Any] = {
        **error.extra,
        "type": f"/problems/{error.code}",
        "title": error.title,
        "status": error.status,
        "detail": error.detail,
        "instance": "" if request is None else escape_uri_path(request.path),
        "code": error.code,
    }
    if error.reasons:
        body["errors"] = [reason.as_dict() for reason in error.reasons]
    return Problem(error.status, body, _headers(error))


def translate(exc: Exception) -> DnsorchError:
    """Return ``exc`` as an error of ours; what is not known is an internal error."""
    if isinstance(exc, DnsorchError):
        return exc
    if isinstance(exc, drf.APIException):
        return _translate_drf(exc)
    if isinstance(exc, Http404):
        return NotFound()
    if isinstance(exc, PermissionDenied):
        return Forbidden()
    if isinstance(exc, RequestDataTooBig):
        return parsers.too_large()
    if isinstance(exc, TooManyFieldsSent):
        most = settings.DATA_UPLOAD_MAX_NUMBER_FIELDS
        return Invalid(f"the query: expected at most {most} parameters")
    if isinstance(exc, DisallowedHost):
        return Invalid("the header Host: expected a name that this service has")
    if isinstance(exc, SuspiciousOperation | UnreadablePostError):
        return Invalid("The request cannot be read.")
    if isinstance(exc, DatabaseError | InterfaceError) and is_passing(exc):
        return DatabaseBusy()
    return InternalError()


def is_passing(exc: DatabaseError | InterfaceError) -> bool:
    """Say whether a database error may be gone on the next attempt.

    Locked, timed out, deadlocked, full or out of reach: all but SQLite's error for
    wrong SQL, for which PostgreSQL has another class of exception. psycopg2 raises
    the plain base class for a connection that ends in the middle of an answer.
    """
    if isinstance(exc, OperationalError | InterfaceError):
        return getattr(exc.__cause__, "sqlite_errorcode", None) != _SQLITE_ERROR
    return type(exc) is DatabaseError and isinstance(exc.__cause__, Exception)


def reasons(detail: Any, at: str = "") -> Iterator[Reason]:
    """Yield a reason for each error in ``ValidationError.detail``, nested as it is."""
    if isinstance(detail, dict):
        for key, value in detail.items():
            whole = key == api_settings.NON_FIELD_ERRORS_KEY
            yield from reasons(value, at if whole else at + pointer(key))
    elif isinstance(detail, list):
        for index, value in enumerate(detail):
            nested = isinstance(value, dict | list)
            yield from reasons(value, at + pointer(index) if nested else at)
    else:
        yield Reason(at, getattr(detail, "code", None) or "invalid", _short(detail))


def _short(detail: Any) -> str:
    """Return the text of ``detail``, its middle left out if it is long."""
    text, half = str(detail), _LONGEST_DETAIL // 2
    if len(text) <= _LONGEST_DETAIL:
        return text
    return f"{text[:half]} … {text[-half:]}"


def exception_handler(exc: Exception, context: dict[str, Any]) -> Response:
    """Answer with the problem: the ``EXCEPTION_HANDLER`` of REST framework."""
    request = context.get("request")
    answer = problem(exc, request)
    _log(exc, answer)
    if answer.status == 500:
        # Error trackers, and Django's test client, listen for this.
        got_request_exception.send(sender=None, request=request)
    return Response(
        answer.body, answer.status, headers=answer.headers, content_type=MEDIA_TYPE
    )


def response(exc: Exception, request: HttpRequest) -> JsonResponse:
    """Answer with the problem outside REST framework, as from a middleware."""
    answer = problem(exc, request)
    return JsonResponse(
        answer.body,
        status=answer.status,
        headers=answer.headers,
        content_type=MEDIA_TYPE,
    )


def bad_request(request: HttpRequest, exception: Exception) -> HttpResponseBase:
    """Answer 400: Django's ``handler400``."""
    if _is_page(request):
        return defaults.bad_request(request, exception)
    return response(exception, request)


def permission_denied(request: HttpRequest, exception: Exception) -> HttpResponseBase:
    """Answer 403: Django's ``handler403``."""
    if _is_page(request):
        return defaults.permission_denied(request, exception)
    return response(Forbidden(), request)


def not_found(request: HttpRequest, exception: Exception) -> HttpResponseBase:
    """Answer 404: Django's ``handler404``."""
    if _is_page(request):
        return defaults.page_not_found(request, exception)
    return response(NotFound(), request)


def server_error(request: HttpRequest) -> HttpResponseBase:
    """Answer 500: Django's ``handler500``; Django has logged the exception."""
    if _is_page(request):
        return defaults.server_error(request)
    return response(InternalError(), request)


def _is_page(request: HttpRequest) -> bool:
    """Say whether a person waits for a page: of the admin, not of the API."""
    wants_html = "text/html" in request.headers.get("Accept", "")
    return wants_html and not request.path.startswith("/api/")


def _translate_drf(exc: drf.APIException) -> DnsorchError:
    if isinstance(exc, drf.ValidationError):
        found = tuple(reasons(exc.detail))
        return Invalid(_summary(found), reasons=found)
    if isinstance(exc, drf.NotFound):
        return NotFound()
    if isinstance(exc, drf.PermissionDenied):
        return Forbidden(_short(exc.detail))
    if isinstance(exc, drf.Throttled):
        return Throttled(retry_after=getattr(exc, "wait", None))
    plain: dict[type[drf.APIException], type[DnsorchError]] = {
        drf.ParseError: Invalid,
        drf.AuthenticationFailed: InvalidToken,
        drf.NotAuthenticated: NotAuthenticated,
        drf.MethodNotAllowed: MethodNotAllowed,
        drf.NotAcceptable: NotAcceptable,
        drf.UnsupportedMediaType: UnsupportedMediaType,
    }
    for theirs, ours in plain.items():
        if isinstance(exc, theirs):
            return ours(_short(exc.detail))
    return InternalError()


def _summary(found: tuple[Reason, ...]) -> str:
    if len(found) != 1:
        return f"{len(found)} things are wrong with the body; see errors."
    where = found[0].pointer
    return f"{where}: {found[0].detail}" if where else found[0].detail


def _headers(error: DnsorchError) -> dict[str, str]:
    headers: dict[str, str] = {}
    if error.status == 401:
        invalid = isinstance(error, InvalidToken)
        headers["WWW-Authenticate"] = REALM + ', error="invalid_token"' * invalid
    if error.retry_after is not None:
        headers["Retry-After"] = str(max(1, math.ceil(error.retry_after)))
    elif error.retryable:
        headers["Retry-After"] = str(RETRY_AFTER_S)
    return headers


def _log(exc: Exception, answer: Problem) -> None:
    if answer.status == 500:
        log.error("request failed", code=answer.body["code"], exc_info=exc)
    elif answer.status > 500:
        log.warning("request failed", code=answer.body["code"], error=str(exc))
