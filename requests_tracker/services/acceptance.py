"""The one way in: a request is accepted or rejected, once, in one transaction."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import structlog
from django.db import IntegrityError, transaction

from dnsorch import failpoints, tracing
from dnsorch.exceptions import DnsorchError
from requests_tracker.models import Request
from requests_tracker.services import idempotency, lifecycle
from requests_tracker.services.idempotency import Answer
from requests_tracker.services.lifecycle import Origin
from requests_tracker.status import Status

logger = structlog.get_logger(__name__)

SPAN = "request.accept"


@dataclass(frozen=True)
class Doorway:
    """How a door speaks: the bodies of its answers.

    ``render`` is called within the transaction of the accepted request, ``render_all``
    in that of several; ``render_error`` gives the problem document of a rejected one.
    """

    render: Callable[[Request], Answer]
    render_error: Callable[[DnsorchError, Request], Answer]
    render_all: Callable[[Sequence[Request]], list[Answer]] | None = None

    @classmethod
    def for_many(
        cls,
        render_all: Callable[[Sequence[Request]], list[Answer]],
        render_error: Callable[[DnsorchError, Request], Answer],
    ) -> Doorway:
        """Return a doorway that answers one request as it answers several."""

        def render(request: Request) -> Answer:
            (answer,) = render_all([request])
            return answer

        return cls(render, render_error, render_all)

    def answers(self, requests: Sequence[Request]) -> list[Answer]:
        """Return the answers to accepted requests, in their order."""
        if self.render_all is not None:
            return self.render_all(requests)
        return [self.render(each) for each in requests]


#: Of those who want to know which request was made, not what a client is answered.
INSIDE = Doorway(
    render=lambda made: Answer(202, {}, "", made.pk),
    render_error=lambda error, made: Answer(
        error.status, error.as_error(), "", made.pk
    ),
)


def run(
    origin: Origin,
    *,
    operation: object,
    perform: Callable[[Request], None],
    doorway: Doorway,
) -> Answer:
    """Perform an operation at most once for its idempotency key.

    ``perform`` fills in and stores the request; when it raises a domain error all
    that it did is rolled back, and the rejection is stored with its reason.
    ``operation`` is what the key's fingerprint is taken of.

    Raises:
        IdempotencyKeyReused, IdempotencyInProgress: there is no new request then.
        DnsorchError: with status 5xx; nothing is stored, the client may try again.
    """
    key = origin.idempotency_key
    digest = idempotency.fingerprint(operation) if key else ""
    parent = origin.traceparent or None
    with tracing.span(SPAN, parent=parent, attributes=about(origin)) as span:
        try:
            answer = _run_once(origin, digest, perform, doorway)
        except IntegrityError:
            # Foreign keys are checked at COMMIT: what was referred to, such as the
            # zone, is gone by now. Looked at once more, that is a clear rejection.
            logger.info("accepted in vain", correlation_id=origin.correlation_id)
            answer = _run_once(origin, digest, perform, doorway)
        if not answer.replayed:
            failpoints.hit("after_accept")
        idempotency.note_replays([answer])
        describe(span, answer)
    return answer


def about(origin: Origin) -> dict[str, str]:
    """Return what the span of an acceptance says from the start."""
    return {"dnsorch.action": origin.action, "dnsorch.source": origin.source}


def describe(span: tracing.Span, answer: Answer) -> None:
    """Say on the span of an acceptance what came of it."""
    span.set_attribute("dnsorch.request_id", str(answer.request_id or ""))
    span.set_attribute("dnsorch.status", answer.status)
    span.set_attribute("dnsorch.replayed", answer.replayed)


class _Refused(Exception):
    """What an operation was refused for; all that it did goes with it."""

    def __init__(self, error: DnsorchError) -> None:
        """``error`` is what the client is told."""
        super().__init__(error)
        self.error = error


def _run_once(
    origin: Origin,
    digest: str,
    perform: Callable[[Request], None],
    doorway: Doorway,
) -> Answer:
    request = origin.request()

    def accept() -> Answer:
        try:
            perform(request)
        except DnsorchError as error:
            if error.status >= 500:
                raise
            raise _Refused(error) from error
        answer = doorway.render(request)
        log(request, answer)
        return answer

    try:
        return _once(origin, digest, accept)
    except _Refused as refused:
        error = refused.error
    # In a transaction of its own: a savepoint would cost all that are accepted two
    # statements. Whoever has had the key meanwhile was the first.
    return _once(origin, digest, lambda: refuse(request, error, origin, doorway))


def _once(origin: Origin, digest: str, answer: Callable[[], Answer]) -> Answer:
    """Return the answer that the key has, or else give it this one."""
    with transaction.atomic():
        key = idempotency.claim(origin.requester, origin.idempotency_key, digest)
        if isinstance(key, Answer):
            return key
        found = answer()
        if key:
            idempotency.settle_all([(key, found)])
        return found


def refuse(
    request: Request, error: DnsorchError, origin: Origin, doorway: Doorway
) -> Answer:
    """Store a request that is refused; return what its client is told."""
    # It may have been stored already when it was refused.
    request.status, request.last_sequence = Status.RECEIVED, 0
    request.deadline_at = request.parts_expected = None
    request.first_events = request.first_changes = request.first_records = None
    lifecycle.open_rejected(request, error, [origin.received()])
    logger.info("request rejected", code=error.code, **request.log_context())
    return doorway.render_error(error, request)


def log(request: Request, answer: Answer) -> None:
    """Log that a request was accepted."""
    # What is done to another request makes no row of its own.
    about = request.log_context() | {"request_id": str(answer.request_id)}
    logger.info("request accepted", **about)
