"""What every view that writes has in common: its origin, its answer, its row.

A view parses, calls one service and hands over the service's answer. A request that
is refused before a service sees it gets its row in the tracker here.
"""

from __future__ import annotations

import re
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, ClassVar
from uuid import UUID

from django.conf import settings
from django.db import DatabaseError
from rest_framework.exceptions import ValidationError
from rest_framework.request import Request as HttpRequest
from rest_framework.response import Response
from rest_framework.serializers import Serializer
from rest_framework.views import APIView

from dnsorch.api import errors
from dnsorch.api.prefer import wait_seconds
from dnsorch.exceptions import DnsorchError, Invalid, Reason, TooManyWaiting
from dnsorch.tokens.access import Access
from requests_tracker.models import Request
from requests_tracker.selectors import requests
from requests_tracker.services import acceptance
from requests_tracker.services.acceptance import Doorway
from requests_tracker.services.idempotency import Answer
from requests_tracker.services.lifecycle import Origin

# The statuses of a write that was rejected; any other was not one, or may succeed.
REJECTIONS = frozenset({400, 403, 404, 409, 412, 415, 422})
KEY_IS = "1 to 255 visible ASCII characters"
_of_thread = threading.local()
# While it waits, a request holds a thread of the server: only some may.
_waiting = threading.BoundedSemaphore(max(1, settings.DNSORCH_WAIT_SLOTS))


def render_error(error: DnsorchError, request: Request) -> Answer:
    """Return the problem document of a rejected request, with its id."""
    answer = errors.problem(error, None)
    at = {"request_id": str(request.pk), "instance": location(request)}
    return Answer(answer.status, answer.body | at, location(request), request.pk)


def location(request: Request) -> str:
    """Return where the tracker shows a request."""
    return requests.links(request, request.api_version)["self"]


def validated(
    serializer: type[Serializer[Any]], data: Any, **kwargs: Any
) -> dict[str, Any]:
    """Return what ``serializer`` makes of ``data``.

    Raises:
        Invalid: a field is missing, unknown or of the wrong shape.
    """
    if not kwargs:
        try:
            found: dict[str, Any] = _made(serializer).run_validation(data)
        except ValidationError:
            pass  # what is wrong is said below
        else:
            return found
    checked = serializer(data=data, **kwargs)
    if not checked.is_valid():
        reasons = tuple(errors.reasons(checked.errors))
        detail = reasons[0].detail if len(reasons) == 1 else "see errors"
        raise Invalid(_sentence(reasons, detail), reasons=reasons)
    result: dict[str, Any] = checked.validated_data
    return result


def _made(serializer: type[Serializer[Any]]) -> Serializer[Any]:
    """Return a serializer of this thread: to make one is to copy all its fields."""
    made: dict[type, Serializer[Any]] | None = getattr(_of_thread, "made", None)
    if made is None:
        made = _of_thread.made = {}
    if serializer not in made:
        made[serializer] = serializer()
    return made[serializer]


def _sentence(reasons: tuple[Reason, ...], detail: str) -> str:
    if len(reasons) == 1:
        where = reasons[0].pointer
        return f"{where}: {detail}" if where else detail
    return f"{len(reasons)} fields are wrong; see errors"


class TrackedView(APIView):
    """A view whose writes are tracked."""

    # OpenAPI describes what there is; OPTIONS is 405.
    metadata_class = None
    #: What a request that never reached a service asked for, by the view's action.
    tracked_actions: ClassVar[Mapping[str, str]] = {
        "create": "create",
        "update": "update",
        "partial_update": "update",
        "destroy": "delete",
    }

    @property
    def access(self) -> Access:
        """What the caller may do."""
        access: Access = self.request.auth  # type: ignore[assignment]
        return access

    @property
    def dry_run(self) -> bool:
        """Whether the caller only wants to see the plan.

        Raises:
            Invalid: the parameter is neither true nor false.
        """
        return flag(self.request, "dry_run")

    def origin(self, action: str, **fields: Any) -> Origin:
        """Return who asks for ``action`` and how they call it."""
        request: Any = self.request
        if "idempotency_key" not in fields:
            fields["idempotency_key"] = idempotency_key(request)
        given = {
            "requester": self.access.owner,
            "source": self.access.source,
            "api_version": str(request.version),
            "action": action,
            "correlation_id": request.correlation_id,
            "traceparent": request.traceparent,
            "received_at": request.received_at,
        }
        return Origin(**{**given, **fields})

    def refuse_dry_run(self) -> None:
        """Refuse to plan what has no plan, rather than to do it.

        Raises:
            Invalid: the caller wants to see a plan.
        """
        if self.dry_run:
            raise Invalid("dry_run: only changes of DNS records can be planned")

    def answer(
        self, answer: Answer, body: Callable[[UUID], dict[str, Any]] | None = None
    ) -> Response:
        """Turn a service's answer into a response, after waiting if so asked.

        ``body`` gives the body anew once the request is final.
        """
        headers: dict[str, str] = {}
        status, data = answer.status, answer.body
        seconds = wait_seconds(self.request.headers.get("Prefer", ""))
        if seconds is not None and body and answer.request_id and status == 202:
            final, applied = wait(answer.request_id, seconds)
            if applied:
                headers["Preference-Applied"] = f"wait={seconds}"
            if final:
                status, data = 200, body(answer.request_id)
        if answer.request_id:
            headers["X-Tracker-Request"] = str(answer.request_id)
        if answer.location:
            headers["Location"] = answer.location
        if answer.replayed:
            headers["Idempotent-Replayed"] = "true"
        content_type = errors.MEDIA_TYPE if status >= 400 else None
        # An answer without content has no body at all, not an empty object.
        content = None if status == 204 else data
        return Response(content, status, headers=headers, content_type=content_type)

    def reject(self, error: DnsorchError, origin: Origin) -> Answer:
        """Track a write that is refused beside the services; return the problem.

        ``origin`` has no idempotency key: nobody knows what it stands for, or it
        stands for something else already.
        """

        def perform(row: Request) -> None:
            raise error

        doorway = Doorway(render=_never, render_error=render_error)
        return acceptance.run(origin, operation=None, perform=perform, doorway=doorway)

    def handle_exception(self, exc: Exception) -> Response:
        """Answer with the problem, and track a write that no service has seen."""
        error = errors.translate(exc)
        asked = self.tracked_actions.get(getattr(self, "action", None) or "")
        try:
            if asked is None or not self._is_rejection(error):
                return super().handle_exception(exc)
            answer = self.reject(error, self.origin(asked, idempotency_key=""))
        except DatabaseError as failure:
            return super().handle_exception(failure)
        return self.answer(answer)

    def _is_rejection(self, error: DnsorchError) -> bool:
        if error.status not in REJECTIONS or error.retryable:
            # Nor may the database be asked once more: it may be what has failed.
            return False
        planned = self.request.query_params.get("dry_run") == "true"
        return isinstance(self.request.auth, Access) and not planned


def _never(request: Request) -> Answer:
    raise AssertionError("a refused request is not rendered")


def flag(request: HttpRequest, name: str) -> bool:
    """Return a query parameter that is ``true`` or ``false``, false by default.

    Raises:
        Invalid: it is something else.
    """
    text = request.query_params.get(name, "false")
    if text not in ("true", "false"):
        raise Invalid(f"{name}: expected true or false")
    return text == "true"


def idempotency_key(request: HttpRequest) -> str:
    """Return the ``Idempotency-Key``, "" without one.

    Raises:
        Invalid: it is not 1 to 255 visible ASCII characters.
    """
    text = request.headers.get("Idempotency-Key")
    if text is None:
        return ""
    key = read_key(text)
    if key is None:
        raise Invalid(f"the header Idempotency-Key: expected {KEY_IS}")
    return key


def read_key(text: str) -> str | None:
    """Return the idempotency key that ``text`` is, None if it is none.

    A string of a structured field (RFC 8941 section 3.3.3) is unquoted.
    """
    if len(text) >= 2 and text[0] == text[-1] == '"':
        text = re.sub(r'\\(["\\])', r"\1", text[1:-1])
    visible = all("!" <= each <= "~" for each in text)
    return text if visible and 1 <= len(text) <= 255 else None


@contextmanager
def thread_to_wait() -> Iterator[None]:
    """Hold one of the threads that may wait for somebody else.

    Raises:
        TooManyWaiting: they are all taken.
    """
    if not _waiting.acquire(blocking=False):
        raise TooManyWaiting()
    try:
        yield
    finally:
        _waiting.release()


def wait(request_id: UUID, seconds: float) -> tuple[bool, bool]:
    """Wait for a request to become final; say whether it is, and whether we waited.

    Over the share of threads that may wait, nobody waits.
    """
    if not _waiting.acquire(blocking=False):
        return False, False
    try:
        until = time.monotonic() + seconds
        pause = 0.02
        while True:
            if Request.objects.get(pk=request_id).is_final:
                return True, True
            left = until - time.monotonic()
            if left <= 0:
                return False, True
            time.sleep(min(pause, left))
            pause = min(pause * 1.5, 0.25)
    finally:
        _waiting.release()
