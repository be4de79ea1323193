"""What ties a request to what happens elsewhere: correlation id and trace context."""

from __future__ import annotations

import re
from datetime import datetime
from typing import Any, cast

from django.http import HttpRequest
from uuid_utils import compat as uuid7

_CORRELATION_ID = re.compile(r"[A-Za-z0-9._-]{1,128}")
# https://www.w3.org/TR/trace-context/#traceparent-header-field-values
_TRACEPARENT = re.compile(
    r"(?!ff)[0-9a-f]{2}-(?!0{32})[0-9a-f]{32}-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}"
    r"(-[!-~]*)?"
)
_LONGEST_TRACEPARENT = 128


class TracedRequest(HttpRequest):
    """The attributes that ``CorrelationMiddleware`` adds to every request.

    ``traceparent`` is "" where there is none that is valid; ``received_at`` is aware.
    """

    correlation_id: str
    traceparent: str
    received_at: datetime


def of(request: HttpRequest) -> TracedRequest:
    """Return ``request``, or what REST framework wrapped, with those attributes."""
    inner: Any = getattr(request, "_request", request)
    return cast(TracedRequest, inner)


def is_correlation_id(text: str) -> bool:
    """Say whether ``text`` can be a correlation id."""
    return _CORRELATION_ID.fullmatch(text) is not None


def correlation_id(given: str | None) -> str:
    """Return ``given`` if it can be a correlation id, else a new UUIDv7."""
    if given is not None and is_correlation_id(given):
        return given
    return str(uuid7.uuid7())


def traceparent(given: str | None) -> str:
    """Return ``given`` if it is a valid W3C traceparent, else an empty text.

    A version after 00 may have more fields at its end; they go along unread.
    """
    if given is None or len(given) > _LONGEST_TRACEPARENT:
        return ""
    match = _TRACEPARENT.fullmatch(given)
    if match is None or (given.startswith("00") and match[1] is not None):
        return ""
    return given
