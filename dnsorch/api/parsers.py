"""What bodies the API reads: JSON in UTF-8, at most one mebibyte."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from io import BytesIO, RawIOBase
from typing import IO, Any, Protocol

from django.conf import settings
from django.core.exceptions import RequestDataTooBig
from rest_framework.exceptions import UnsupportedMediaType
from rest_framework.parsers import JSONParser
from rest_framework.utils.mediatypes import _MediaType

from dnsorch.api import strict_json
from dnsorch.exceptions import DnsorchError

MAX_BODY_OCTETS = 1024 * 1024
# A body that has arrived takes no time to read; a crowd of them takes a moment.
SLOT_WAIT_S = 1.0
# While it waits for a body, a request holds a thread of the server: only some may.
_reading = threading.BoundedSemaphore(max(1, settings.DNSORCH_BODY_SLOTS))


class BodyTooLarge(DnsorchError):
    """The body is larger than the API takes."""

    code = "body_too_large"
    status = 413


class TooManyBodies(DnsorchError):
    """Too many bodies are on their way at the same time."""

    code = "too_many_bodies"
    status = 503
    retryable = True


class Readable(Protocol):
    """Anything that gives octets."""

    def read(self, size: int, /) -> bytes:
        """Return at most ``size`` octets; none at the end."""


def read_limited(stream: Readable) -> bytes:
    """Return all that ``stream`` holds.

    Raises:
        BodyTooLarge: it holds more than the limit; no more than that was read.
    """
    body = BytesIO()
    while part := stream.read(MAX_BODY_OCTETS + 1 - body.tell()):
        body.write(part)
        if body.tell() > MAX_BODY_OCTETS:
            raise too_large()
    return body.getvalue()


class Arriving(RawIOBase):
    """A body that may be on its way yet: a stream that ends at the limit."""

    def __init__(self, stream: Readable) -> None:
        """Read from ``stream``, once somebody asks for it."""
        self._stream = stream
        self._left = MAX_BODY_OCTETS

    def readable(self) -> bool:
        """Say yes."""
        return True

    def readinto(self, buffer: Any) -> int:
        """Fill ``buffer``, as far as there is something; 0 at the end.

        Raises:
            RequestDataTooBig: there is more than the limit.
            TooManyBodies: others are waited for already.
        """
        with slot():
            part = self._stream.read(min(len(buffer), self._left + 1))
        self._left -= len(part)
        if self._left < 0:
            raise RequestDataTooBig
        buffer[: len(part)] = part
        return len(part)


@contextmanager
def slot() -> Iterator[None]:
    """Take one of the threads that may wait for a body.

    Raises:
        TooManyBodies: all of them wait already.
    """
    if not _reading.acquire(timeout=SLOT_WAIT_S):
        raise TooManyBodies()
    try:
        yield
    finally:
        _reading.release()


def too_large() -> BodyTooLarge:
    """Return the error that names the limit."""
    return BodyTooLarge(f"The body has more than {MAX_BODY_OCTETS} octets.")


class StrictJSONParser(JSONParser):
    """Reads JSON strictly; see :mod:`dnsorch.api.strict_json`."""

    def parse(
        self,
        stream: IO[Any],
        media_type: str | None = None,
        parser_context: Mapping[str, Any] | None = None,
    ) -> Any:
        """Return the body's value.

        Raises:
            BodyTooLarge: it has more than the limit.
            MalformedBody: it is not JSON that can be read in one way only.
            UnsupportedMediaType: it says that it is compressed, or not in UTF-8.
        """
        request = (parser_context or {}).get("request")
        coding = "" if request is None else request.headers.get("Content-Encoding", "")
        if coding.strip().lower() not in ("", "identity"):
            raise UnsupportedMediaType(
                media_type or "",
                f"a body with the Content-Encoding {coding[:32]!r} is not read: "
                "expected it as it is (RFC 9110 section 8.4)",
            )
        charset = _MediaType(media_type or "").params.get("charset", "utf-8")
        if charset.strip('"').lower() not in ("utf-8", "utf8", "us-ascii"):
            raise UnsupportedMediaType(media_type or "")
        return strict_json.loads(read_limited(stream))
