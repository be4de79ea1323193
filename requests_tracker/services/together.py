"""Several operations accepted in one transaction, in few statements for all of them.

Each is a request of its own and is told what it would be told alone. All of it is
committed or nothing: who gets an error does them one by one.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import TypeVar

from django.db import DatabaseError, IntegrityError, transaction

from dnsorch import failpoints, tracing
from dnsorch.exceptions import DnsorchError, IdempotencyKeyReused
from requests_tracker.models import IdempotencyKey, Request
from requests_tracker.services import acceptance, idempotency
from requests_tracker.services.acceptance import Doorway
from requests_tracker.services.idempotency import Answer
from requests_tracker.services.lifecycle import Origin


class CommitFailed(Exception):
    """Nobody knows whether it was committed: the connection went away meanwhile."""

    def __init__(self, cause: DatabaseError) -> None:
        """Keep what the database said."""
        self.cause = cause
        super().__init__(str(cause))


@dataclass(eq=False)
class Call:
    """One operation as it is asked for, and what becomes of it.

    ``error`` is why it is not accepted. ``answer`` is what its client is told, or that
    its idempotency key stands for something else.
    """

    origin: Origin
    operation: object
    doorway: Doorway
    request: Request = field(init=False)
    error: DnsorchError | None = field(default=None, init=False)
    answer: Answer | IdempotencyKeyReused | None = field(default=None, init=False)


C = TypeVar("C", bound=Call)


def run(calls: Sequence[C], perform: Callable[[Sequence[C]], None]) -> None:
    """Perform operations of one requester, each at most once for its key.

    ``perform`` is given those that are new; it stores the requests that it accepts and
    sets the error of the others. No two have the same key. Each has its answer then.

    Raises:
        IdempotencyInProgress: somebody else holds a key for longer than two seconds.
        DnsorchError: with status 5xx, or what ``perform`` raises; nothing is stored.
        DatabaseError: nothing is stored.
        CommitFailed: it may be stored.
    """
    spans = [
        tracing.begin(
            acceptance.SPAN,
            parent=call.origin.traceparent or None,
            attributes=acceptance.about(call.origin),
        )
        for call in calls
    ]
    try:
        _commit(calls, perform)
    finally:
        for span, call in zip(spans, calls, strict=True):
            if isinstance(call.answer, Answer):
                acceptance.describe(span, call.answer)
            span.end()
    answers = [call.answer for call in calls if isinstance(call.answer, Answer)]
    for _ in answers:
        failpoints.hit("after_accept")
    idempotency.note_replays(answers)


def _commit(calls: Sequence[C], perform: Callable[[Sequence[C]], None]) -> None:
    ended = False
    try:
        with transaction.atomic():
            _run(calls, perform)
            ended = True
    except IntegrityError:
        raise  # a constraint that is checked at COMMIT
    except DatabaseError as error:
        if ended:
            raise CommitFailed(error) from error
        raise


def _run(calls: Sequence[C], perform: Callable[[Sequence[C]], None]) -> None:
    taken = _claim(calls)
    for call in calls:
        known = taken.get(call.origin.idempotency_key)
        call.answer = None if isinstance(known, IdempotencyKey) else known
    new = [call for call in calls if call.answer is None]
    for call in new:
        call.request = call.origin.request()
    perform(new)
    _answer(new)
    idempotency.settle_all(
        (row, call.answer)
        for call in new
        if isinstance(row := taken.get(call.origin.idempotency_key), IdempotencyKey)
        and isinstance(call.answer, Answer)
    )


def _claim(
    calls: Sequence[C],
) -> dict[str, IdempotencyKey | Answer | IdempotencyKeyReused]:
    digests = {
        call.origin.idempotency_key: idempotency.fingerprint(call.operation)
        for call in calls
        if call.origin.idempotency_key
    }
    return idempotency.claim_all(calls[0].origin.requester, digests)


def _answer(new: Sequence[C]) -> None:
    """Give each new call its answer, and store those that are refused."""
    accepted: dict[int, list[C]] = defaultdict(list)
    for call in new:
        if call.error is None:
            accepted[id(call.doorway)].append(call)
        elif call.error.status >= 500:
            raise call.error
        else:
            call.answer = acceptance.refuse(
                call.request, call.error, call.origin, call.doorway
            )
    for own in accepted.values():
        answers = own[0].doorway.answers([call.request for call in own])
        for call, answer in zip(own, answers, strict=True):
            call.answer = answer
            acceptance.log(call.request, answer)
