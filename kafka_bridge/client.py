"""The API's batch endpoint, seen from the consumer: one call, one answer."""

from __future__ import annotations

import ssl
import uuid
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any, Final, NamedTuple

import httpx

from dnsorch import tracing

PATH: Final = "/api/v2/changesets/batch/"
CONNECT_TIMEOUT_S: Final = 5.0


class ItemResult(NamedTuple):
    """What the API says of one item: its HTTP status and its body."""

    status: int
    body: Any


@dataclass(frozen=True)
class Answer:
    """What came back for one POST.

    ``status`` is None where nothing came back (refused, timed out, cut off);
    ``too_slow`` says that it was not there in time, and the API may be at it still.
    ``results`` is set only for a 207 with one result per item. ``problem`` is set
    only for ``application/problem+json``, the API's own way to refuse. ``detail``
    is for logs; ``retry_after`` is in seconds.
    """

    status: int | None
    results: tuple[ItemResult, ...] | None = None
    problem: dict[str, Any] | None = None
    retry_after: float | None = None
    detail: str = ""
    too_slow: bool = False


class ApiClient:
    """Posts batches over one kept connection; never raises for network trouble."""

    def __init__(
        self, url: str, *, token: Callable[[bool], str], timeout_s: float
    ) -> None:
        """Keep what a call needs.

        ``url`` is the API's origin; ``token(fresh)`` returns the bearer token, read
        anew from its source if ``fresh``; ``timeout_s`` bounds each wait for the API.
        """
        self._token = token
        self._stale_token = False
        self._client = httpx.Client(
            base_url=url,
            timeout=httpx.Timeout(timeout_s, connect=min(timeout_s, CONNECT_TIMEOUT_S)),
            limits=httpx.Limits(max_connections=1, max_keepalive_connections=1),
            headers={
                "Accept": "application/json",
                "Content-Type": "application/json",
                "User-Agent": "dnsorch-consume-kafka",
            },
            # A redirect is no answer: a POST must not change into a GET on its way.
            follow_redirects=False,
            # No proxies by surprise; OpenSSL still honours SSL_CERT_FILE.
            trust_env=False,
            verify=ssl.create_default_context(),
        )

    def post(self, items: Sequence[bytes]) -> Answer:
        """Post ``items``, each the JSON of one item, as one batch.

        Raises:
            SecretUnavailable: the token cannot be read.
        """
        token = self._token(self._stale_token)
        try:
            response = self._client.post(
                PATH,
                content=b'{"items":[' + b",".join(items) + b"]}",
                headers={
                    "Authorization": f"Bearer {token}",
                    "X-Request-ID": uuid.uuid4().hex,
                    **_trace(),
                },
            )
        except httpx.RequestError as error:
            return Answer(
                None,
                detail=f"{type(error).__name__}: {error}",
                too_slow=isinstance(error, httpx.ReadTimeout),
            )
        # A token that was refused may have been replaced: read it anew next time.
        self._stale_token = response.status_code == 401
        return _answer(response, len(items))

    def close(self) -> None:
        """Close the connection."""
        self._client.close()


def _trace() -> dict[str, str]:
    parent = tracing.traceparent()
    return {tracing.HEADER: parent} if parent else {}


def _answer(response: httpx.Response, size: int) -> Answer:
    status = response.status_code
    body = _json(response)
    content_type = response.headers.get("content-type", "").partition(";")[0].strip()
    problem = None
    if content_type == "application/problem+json" and isinstance(body, dict):
        problem = body
    results = _results(body, size) if status == 207 else None
    detail = f"HTTP {status}"
    if problem is not None:
        detail += f" {problem.get('code')}: {problem.get('detail')}"
    elif status == 207 and results is None:
        detail += f" without {size} results"
    return Answer(
        status=status,
        results=results,
        problem=problem,
        retry_after=_retry_after(response.headers.get("retry-after", "")),
        detail=detail,
    )


def _json(response: httpx.Response) -> Any:
    try:
        return response.json()
    except ValueError:
        return None


def _results(body: Any, size: int) -> tuple[ItemResult, ...] | None:
    """Return the results of a 207, or None if it does not answer for every item."""
    results = body.get("results") if isinstance(body, dict) else None
    if not isinstance(results, list) or len(results) != size:
        return None
    found = []
    for result in results:
        status = result.get("status") if isinstance(result, dict) else None
        if not isinstance(status, int):
            return None
        found.append(ItemResult(status, result.get("body")))
    return tuple(found)


def _retry_after(header: str) -> float | None:
    """Return ``Retry-After`` in seconds: delay-seconds or an HTTP-date (RFC 9110)."""
    if header.isdecimal():
        return float(header)
    try:
        moment = parsedate_to_datetime(header)
    except ValueError:
        return None
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    return max(0.0, (moment - datetime.now(UTC)).total_seconds())
