"""Birth and progress of requests; the only place where a status moves.

A step is a compare-and-set of the status and its timeline entries, in one
transaction; a final state also takes its place in the outbox.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from typing import Any
from uuid import UUID

from django.conf import settings
from django.db import transaction
from django.db.models import Exists, OuterRef, Value
from django.db.models.functions import Greatest

from dnsorch import bulk, clock
from dnsorch.exceptions import DnsorchError
from dnsorch.tokens.access import Access
from requests_tracker import metrics, settling, status
from requests_tracker.models import OutboxEvent, Request, RequestEvent, Step
from requests_tracker.models.request import new_id
from requests_tracker.services import parts, statements, timeline
from requests_tracker.services.timeline import Entry
from requests_tracker.status import Status

TakeSequence = Callable[[int], int]


@dataclass(frozen=True)
class Origin:
    """Who asks, through which door, and under which names the caller knows it.

    ``action`` says what is asked for: ``create``, ``update`` or ``delete`` a
    record, ``put`` or ``delete`` an RRset, ``changeset``, or the registration of
    a zone.
    """

    requester: str
    source: str
    api_version: str
    action: str
    correlation_id: str
    received_at: datetime
    traceparent: str = ""
    on_behalf_of: str = ""
    idempotency_key: str = ""

    @classmethod
    def inside(cls, access: Access, action: str, correlation_id: str = "") -> Origin:
        """Return who asks, now, by another way than an API: a command, the sweep."""
        return cls(
            requester=access.owner,
            source=access.source,
            api_version="",
            action=action,
            correlation_id=correlation_id or str(new_id()),
            received_at=clock.now(),
        )

    @classmethod
    def of(cls, part: Request) -> Origin:
        """Return who asks for a part of a request: who asked for the whole."""
        return cls(
            requester=part.requester,
            source=part.source,
            api_version=part.api_version,
            action=part.action,
            correlation_id=part.correlation_id,
            received_at=part.received_at,
            traceparent=part.traceparent,
            on_behalf_of=part.on_behalf_of,
        )

    def request(self) -> Request:
        """Return a request that is received and not yet stored."""
        return Request(
            id=new_id(),
            status=Status.RECEIVED,
            source=self.source,
            api_version=self.api_version,
            action=self.action,
            requester=self.requester,
            on_behalf_of=self.on_behalf_of,
            idempotency_key=self.idempotency_key,
            correlation_id=self.correlation_id,
            traceparent=self.traceparent,
            received_at=self.received_at,
        )

    def received(self) -> Entry:
        """Return the first entry of the timeline."""
        return Entry(
            Step.RECEIVED,
            f"{self.action} received from {self.requester} over {self.source}",
            data={"correlation_id": self.correlation_id},
            at=self.received_at,
        )


def open_queued(request: Request, entries: Sequence[Entry]) -> None:
    """Store an accepted request in state ``queued`` with its first entries."""
    open_all_queued([(request, entries)])


def open_all_queued(accepted: Iterable[tuple[Request, Sequence[Entry]]]) -> None:
    """Store accepted requests in state ``queued``, each with its first entries."""
    accepted = list(accepted)
    for request, _ in accepted:
        status.check(request.status, Status.QUEUED)
        request.status = Status.QUEUED
        request.deadline_at = deadline(request.received_at)
    _insert_all(accepted)


def open_parent(
    request: Request, entries: Sequence[Entry], *, count: int | None
) -> None:
    """Store an accepted request that its ``count`` parts will carry out.

    None: more of them are to come; :func:`close_parts` says when there are no more.
    Its parts have deadlines, it has none: it ends when they have ended.
    """
    status.check(request.status, Status.QUEUED)
    request.status = Status.QUEUED
    request.parts_expected = count
    _insert(request, entries)


def part(parent: Request, **fields: Any) -> Request:
    """Return a part of a request, received and not yet stored.

    It was asked for as ``parent`` was; ``fields`` are what differs. The idempotency
    key is the parent's alone.
    """
    mine = {
        name: getattr(parent, name)
        for name in (
            "source",
            "api_version",
            "action",
            "requester",
            "on_behalf_of",
            "comment",
            "correlation_id",
            "traceparent",
            "received_at",
        )
    }
    return Request(
        **{**mine, "id": new_id(), "status": Status.RECEIVED, **fields}, part_of=parent
    )


def close_parts(parent_id: UUID) -> None:
    """Say that a request will have no more parts than it has; settle it.

    From now on it ends when they do, and has no deadline of its own. In a transaction
    of its own, after the last part was committed.
    """
    with transaction.atomic():
        parent = Request.objects.select_for_update().get(pk=parent_id)
        parent.parts_expected = parent.parts.count()
        parent.deadline_at = None
        parent.save(update_fields=["parts_expected", "deadline_at"])
        settle(parent_id)


def open_scheduled(
    request: Request, entries: Sequence[Entry], not_before: datetime
) -> None:
    """Store an accepted request that waits for its time, with its first entries."""
    status.check(request.status, Status.SCHEDULED)
    request.status = Status.SCHEDULED
    request.not_before = not_before
    request.deadline_at = deadline(not_before)
    _insert(request, entries)


def divide(request: Request, entries: Sequence[Entry], *, count: int) -> None:
    """Make a scheduled request, locked by the caller, one with parts, and queue it.

    From now on it is of no zone, and has no deadline, as :func:`open_parent` says.
    """
    fields = {"zone": "", "parts_expected": count, "deadline_at": None}
    Request.objects.filter(pk=request.pk).update(
        on_failure=request.on_failure, **fields
    )
    move([request.pk], Status.QUEUED, entries)


def bring_forward(request: Request, at: datetime, by: str) -> None:
    """Make a scheduled request, locked by the caller, due at ``at``."""
    request.not_before, request.deadline_at = at, deadline(at)
    request.save(update_fields=["not_before", "deadline_at"])
    entry = Entry(Step.SCHEDULED, f"brought forward to now: asked for by {by}")
    timeline.append([request.pk], entry)


def deadline(since: datetime) -> datetime:
    """Return until when a request that is due since then may wait to be sent."""
    return since + timedelta(seconds=settings.DNSORCH_REQUEST_DEADLINE_S)


def open_completed(
    request: Request, entries: Sequence[Entry], take_sequence: TakeSequence
) -> None:
    """Store a request that was done by being accepted, such as a new zone."""
    status.check(request.status, Status.COMPLETED)
    request.status = Status.COMPLETED
    request.completed_at = clock.now()
    _insert(request, [*entries, Entry(Step.COMPLETED, "done")])
    _publish([request], take_sequence)


def open_rejected(
    request: Request, error: DnsorchError, entries: Sequence[Entry]
) -> None:
    """Store a request that was refused, with its reason."""
    status.check(request.status, Status.REJECTED)
    request.status = Status.REJECTED
    request.completed_at = clock.now()
    request.error = error.as_error()
    request.error_code = error.code
    _insert(request, [*entries, Entry.failure(Step.REJECTED, error)])
    _publish([request], None)
    settle_later([request])


def _insert(request: Request, entries: Sequence[Entry]) -> None:
    _insert_all([(request, entries)])


def _insert_all(opened: Sequence[tuple[Request, Sequence[Entry]]]) -> None:
    events: list[RequestEvent] = []
    for request, entries in opened:
        request.first_events = timeline.rows(request, entries)
        events += request.first_events
    bulk.insert(request for request, _ in opened)
    bulk.insert(events)


def move(
    request_ids: Iterable[UUID],
    to: Status,
    entries: Callable[[Request], Sequence[Entry]] | Sequence[Entry],
    *,
    locked: Mapping[UUID, Request] | None = None,
    take_sequence: TakeSequence | None = None,
    errors: Mapping[UUID, DnsorchError] | None = None,
    next_attempt_at: datetime | None = None,
    count_attempt: bool = False,
    deadline_at: datetime | None = None,
) -> list[Request]:
    """Move the requests that may become ``to``; return those that did.

    A request whose state does not allow it is left as it is: the caller compares.
    Those that the caller has ``locked`` are not read again. ``take_sequence`` is asked
    for the zone's next outcome numbers; every final state but ``rejected`` needs it,
    unless the request has parts. ``deadline_at`` is when the new state ends at the
    latest, if that is later than the deadline that the requests have.
    """
    now = clock.now()
    sources = tuple(old for old, new in status.TRANSITIONS.items() if to in new)
    # No savepoint within a transaction: who catches what fails here goes back further.
    with transaction.atomic(savepoint=False):
        moved = (
            statements.lock_in(list(request_ids), states=sources)
            if locked is None
            else [locked[k] for k in sorted(request_ids) if locked[k].status in sources]
        )
        if not moved:
            return []
        for count, own in _tell(moved, entries).items():
            statements.move(
                own,
                count,
                next_attempt_at,
                deadline_at,
                now,
                to=to,
                counts_attempt=count_attempt,
                has_deadline=deadline_at is not None,
            )
        for request in moved:
            request.status = to
            if errors and (error := errors.get(request.pk)):
                request.error, request.error_code = error.as_error(), error.code
        if errors:
            Request.objects.bulk_update(moved, ["error", "error_code"])
        if to in status.FINAL:
            _publish(moved, take_sequence)
        settle_later(moved)
    return moved


def prolong(request_id: UUID, until: datetime) -> None:
    """Move the deadline of a request that makes progress, if ``until`` is later."""
    Request.objects.filter(pk=request_id, status__in=status.OPEN).update(
        deadline_at=Greatest("deadline_at", Value(until))
    )


def settle_later(moved: Iterable[Request]) -> None:
    """Settle the requests that these are parts of, once what they did is committed.

    Not earlier: the last two parts may end at once, and the later one has to see the
    other's end. What is lost here is found by the sweep.
    """
    for parent_id in sorted({each.part_of_id for each in moved if each.part_of_id}):
        transaction.on_commit(partial(settle, parent_id), robust=True)


def settle(parent_id: UUID) -> None:
    """Bring a request with parts to the state that follows from theirs.

    Its row is the last that a transaction locks: who holds it waits for no other.
    """
    with transaction.atomic():
        still_open = Request.objects.filter(pk=parent_id, status__in=status.OPEN)
        parent = still_open.select_for_update().first()
        if parent is None:
            return
        own = list(Request.objects.filter(part_of=parent).order_by("pk"))
        if news := parts.news(parent, own):
            timeline.append([parent_id], *news)
        if parts.to_put_back(parent, own):
            return
        expected = parent.parts_expected
        complete = expected is not None and len(own) >= expected
        to = settling.due(own, complete=complete)
        entries, error = parts.end(to, own)
        for step in settling.path(parent.status, to):
            last = step == to
            errors = {parent_id: error} if last and error else None
            move([parent_id], step, entries if last else (), errors=errors)


def unsettled(limit: int) -> list[UUID]:
    """Return open requests all of whose parts are final: the follow-up was lost."""
    mine = Request.objects.filter(part_of=OuterRef("pk"))
    found = Request.objects.filter(
        Exists(mine), status__in=sorted(status.OPEN), parts_expected__isnull=False
    ).exclude(Exists(mine.filter(status__in=sorted(status.OPEN))))
    return list(found.order_by("pk").values_list("pk", flat=True)[:limit])


def postpone(request_ids: Sequence[UUID], at: datetime, entry: Entry) -> None:
    """Note that open requests stay where they are until ``at``, and why."""
    with transaction.atomic():
        waiting = Request.objects.select_for_update().filter(
            pk__in=request_ids, status__in=status.OPEN
        )
        ids = list(waiting.order_by("pk").values_list("pk", flat=True))
        Request.objects.filter(pk__in=ids).update(next_attempt_at=at)
        timeline.append(ids, entry)


def _tell(
    moved: Sequence[Request],
    entries: Callable[[Request], Sequence[Entry]] | Sequence[Entry],
) -> dict[int, list[UUID]]:
    """Write the entries of each request; return who has how many."""
    events: list[RequestEvent] = []
    by_count: dict[int, list[UUID]] = defaultdict(list)
    for request in moved:
        own = entries(request) if callable(entries) else entries
        events += timeline.rows(request, own)
        by_count[len(own)].append(request.pk)
    bulk.insert(events)
    return by_count


def _publish(requests: Sequence[Request], take_sequence: TakeSequence | None) -> None:
    """Write the outcomes: the last statements of the transaction.

    Raises:
        ValueError: a final state that needs an order in its zone came without.
    """
    ordered = [each for each in requests if each.parts_expected is None]
    if take_sequence is None and any(r.status != Status.REJECTED for r in ordered):
        raise ValueError("the outcomes of a zone need their sequence")
    last = take_sequence(len(requests)) if take_sequence else None
    now = clock.now()
    bulk.insert(
        OutboxEvent(
            request=request,
            type=request.status,
            zone=request.zone,
            event_seq=None if last is None else last - len(requests) + 1 + index,
            created_at=now,
        )
        for index, request in enumerate(requests)
    )
    transaction.on_commit(partial(metrics.count_final, list(requests)), robust=True)
