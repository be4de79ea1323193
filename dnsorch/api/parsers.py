"""What bodies the API reads: JSON in UTF-8, at most one mebibyte, and zone files."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from hashlib import sha256
from io import BytesIO, RawIOBase
from tempfile import SpooledTemporaryFile
from typing import IO, Any, Protocol

from django.conf import settings
from django.core.exceptions import RequestDataTooBig
from rest_framework.exceptions import UnsupportedMediaType
from rest_framework.parsers import BaseParser, JSONParser
from rest_framework.utils.mediatypes import _MediaType

from dnsorch.api import strict_json
from dnsorch.exceptions import DnsorchError

MAX_BODY_OCTETS = 1024 * 1024
PIECE = 64 * 1024
# A body that has arrived takes no time to read.
SLOT_WAIT_S = 0.2
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

    def __init__(self, stream: Readable, limit: int = MAX_BODY_OCTETS) -> None:
        """Read at most ``limit`` octets from ``stream``, once somebody asks for it."""
        self._stream = stream
        self._left = limit

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


def limit_of(content_type: str) -> int:
    """Return how many octets a body of this media type may have."""
    kind = content_type.partition(";")[0].strip().lower()
    if kind == ZoneFileParser.media_type:
        zone_file: int = settings.DNSORCH_IMPORT_MAX_OCTETS
        return max(MAX_BODY_OCTETS, zone_file)
    return MAX_BODY_OCTETS


def too_large(limit: int = MAX_BODY_OCTETS) -> BodyTooLarge:
    """Return the error that names the limit."""
    return BodyTooLarge(f"The body has more than {limit} octets.")


def check_coding(
    media_type: str | None, parser_context: Mapping[str, Any] | None
) -> None:
    """Refuse a body that is not UTF-8 as it is.

    Raises:
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
        check_coding(media_type, parser_context)
        return strict_json.loads(read_limited(stream))


@dataclass(frozen=True)
class ZoneFileBody:
    """A zone file as it came, on the disk if it is large, and its SHA-256 in hex."""

    file: IO[bytes]
    digest: str


class ZoneFileParser(BaseParser):
    """Takes a zone file (RFC 1035 section 5) without looking into it."""

    media_type = "text/dns"  # RFC 4027

    def parse(  # type: ignore[override]
        self,
        stream: IO[Any],
        media_type: str | None = None,
        parser_context: Mapping[str, Any] | None = None,
    ) -> ZoneFileBody:
        """Return the body.

        Raises:
            BodyTooLarge: it has more than the limit of zone files.
            UnsupportedMediaType: it says that it is compressed, or not in UTF-8.
        """
        check_coding(media_type, parser_context)
        # Who asked for the body closes it.
        file = SpooledTemporaryFile(max_size=MAX_BODY_OCTETS)  # noqa: SIM115
        digest = sha256()
        try:
            while part := stream.read(PIECE):
                file.write(part)
                digest.update(part)
        except RequestDataTooBig:
            file.close()
            raise too_large(limit_of(self.media_type)) from None
        file.seek(0)
        return ZoneFileBody(file, digest.hexdigest())
