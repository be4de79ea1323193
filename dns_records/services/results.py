"""What became of a batch, written by the holder of the lease and guarded by it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Sequence
from datetime import datetime, timedelta
from uuid import UUID

from django.db import transaction
from django.db.models import OuterRef, QuerySet, Subquery

from dns_records.images import Image, Key
from dns_records.models import (
    Batch,
    BatchStatus,
    Change,
    ChangeStatus,
    RRset,
    Zone,
)
from dns_records.providers.base import RRsetChange
from dns_records.providers.errors import ProviderError
from dns_records.services import breaker, lanes, observations, queue, withdrawal
from dns_records.services.lane_run import LaneRun
from dns_records.services.queue import Parcel
from dnsorch import clock, failpoints, prepared
from dnsorch.exceptions import DnsorchError, Reason
from dnsorch.prepared import Update
from requests_tracker.models import Request, Step
from requests_tracker.services import lifecycle, statements, timeline
from requests_tracker.services.timeline import Entry
from requests_tracker.status import Status


class RefusedByServer(DnsorchError):
    """The DNS server refused the change."""

    code = "refused_by_server"


class PartlyRefused(DnsorchError):
    """The DNS server said yes and silently left out a part; all was put back."""

    code = "partly_refused"


class IgnoredByServer(DnsorchError):
    """The DNS server said yes and silently did nothing."""

    code = "ignored_by_server"


def applied(
    run: LaneRun,
    batch: Batch,
    parcels: Sequence[Parcel],
    superseded: dict[int, int],
    rcode: str,
) -> None:
    """Write that a batch was applied, and hand its requests over to verification.

    Raises:
        LeaseLost: the lease is not ours any more; nothing is written.
    """
    now = clock.now()
    deadline = now + timedelta(seconds=run.zone.verify_deadline_s)
    rows = [change for parcel in parcels for change in parcel.changes]
    latest = {change.rrset_id: change for change in rows}
    with transaction.atomic():
        run.decide(batch, BatchStatus.APPLIED, rcode=rcode)
        older = _lock_unverified(list(latest), rows)
        for change in older:
            change.status = ChangeStatus.SUPERSEDED
            change.superseded_by = latest[change.rrset_id]
        for change in rows:
            change.status = ChangeStatus.APPLIED
            change.applied_at = change.next_check_at = now
            change.check_deadline_at = deadline
            if (by := superseded.get(change.pk)) is not None:
                change.status = ChangeStatus.SUPERSEDED
                change.superseded_by_id = by
        # Each row once: of one that moves twice in a transaction PostgreSQL looks up
        # at COMMIT what it refers to, and would wait for who has locked the name.
        plain = [change.pk for change in rows if change.pk not in superseded]
        replaced = [change for change in rows if change.pk in superseded]
        moved = _move_to_verifying(run, batch, rows, deadline)
        _mark_applied(plain, now, deadline)
        when = ["applied_at", "next_check_at", "check_deadline_at"]
        Change.objects.bulk_update(replaced, ["status", "superseded_by", *when])
        Change.objects.bulk_update(older, ["status", "superseded_by"])
        _remember_applied(batch.pk, list(latest))
        _tell_superseded(older, {change.pk: change for change in rows})
        failpoints.hit("before_commit")
    observations.applied(run.zone, moved)
    if run.failed_before:
        lanes.note_success(run.lease)
    breaker.note(run.zone.backend, None)


def _lock_unverified(
    rrset_ids: Collection[int], rows: Sequence[Change]
) -> list[Change]:
    """Return earlier changes of the RRsets that are still to be verified.

    Their requests are locked with those of ``rows``: requests before changes, as
    everybody does who writes both. So they are read again under the lock.
    """
    found = {change.request_id for change in _unverified(rrset_ids)}
    if not found:
        return []  # those of the rows are locked as they move
    statements.lock(found | {change.request_id for change in rows})
    return [each for each in _unverified(rrset_ids) if each.request_id in found]


@prepared.rows
def _unverified(rrset_ids: Collection[int]) -> QuerySet[Change]:
    applied = Change.objects.filter(status=ChangeStatus.APPLIED)
    unverified = applied.filter(next_check_at__isnull=False)
    return unverified.filter(rrset__pk__in=rrset_ids).order_by("id")


@prepared.update
def _mark_applied(
    change_ids: Collection[int], now: datetime, deadline: datetime
) -> Update:
    values = {"status": ChangeStatus.APPLIED, "applied_at": now, "next_check_at": now}
    mine = Change.objects.filter(pk__in=change_ids)
    return mine, {**values, "check_deadline_at": deadline}


@prepared.update
def _remember_applied(batch_id: int, rrset_ids: Collection[int]) -> Update:
    """Copy what the last change of each RRset in the batch leaves."""
    own = Change.objects.filter(batch=batch_id, rrset=OuterRef("pk")).order_by("-id")
    values = {"applied": Subquery(own.values("after")[:1])}
    return RRset.objects.filter(pk__in=rrset_ids), values


def _move_to_verifying(
    run: LaneRun, batch: Batch, rows: Sequence[Change], deadline: datetime
) -> list[Request]:
    by_id = {change.pk: change for change in rows}
    own: dict[UUID, list[Change]] = {}
    for change in rows:
        own.setdefault(change.request_id, []).append(change)
    name = f"{batch.epoch}.{batch.number}"
    done = Entry(
        Step.APPLIED,
        f"applied by UPDATE {name}: {batch.rcode}",
        data={"epoch": batch.epoch, "number": batch.number, "rcode": batch.rcode},
    )

    def entries(request: Request) -> list[Entry]:
        return [
            done,
            *(
                _superseded_entry(change, by_id[change.superseded_by_id])
                for change in own[request.pk]
                if change.superseded_by_id is not None
                and by_id[change.superseded_by_id].request_id != request.pk
            ),
        ]

    return lifecycle.move(own, Status.VERIFYING, entries, deadline_at=deadline)


def _tell_superseded(older: Sequence[Change], latest: dict[int, Change]) -> None:
    entries: dict[UUID, list[Entry]] = defaultdict(list)
    for change in older:
        by = latest[change.superseded_by_id or 0]
        entries[change.request_id].append(_superseded_entry(change, by))
    timeline.append_each(entries)


def _superseded_entry(change: Change, by: Change) -> Entry:
    return Entry(
        Step.SUPERSEDED,
        f"{change.name} {change.type} was replaced by request {by.request_id}",
        data={"superseded_by": str(by.request_id)},
    )


def not_applied(
    run: LaneRun,
    batch: Batch,
    parcels: Sequence[Parcel],
    why: str,
    error: DnsorchError | None = None,
    at: datetime | None = None,
) -> None:
    """Write that a batch was not applied; its requests are queued again.

    ``at`` is when they are sent again at the earliest, None for at once; ``error``
    is what holds up the whole lane, if something does.

    Raises:
        LeaseLost: the lease is not ours any more; nothing is written.
    """
    step = Step.BACKEND_UNAVAILABLE if error else Step.RETRY_SCHEDULED
    when = f"; next attempt at {at:%H:%M:%S} UTC" if at else "; sent again at once"
    entry = Entry(step, why + when, "warning", {"code": error.code} if error else {})
    with transaction.atomic():
        run.decide(batch, BatchStatus.NOT_APPLIED, rcode=batch.rcode, error=why)
        _queue_again(batch, parcels, entry, at)


def _queue_again(
    batch: Batch, parcels: Sequence[Parcel], entry: Entry, at: datetime | None
) -> None:
    ids = [parcel.request_id for parcel in parcels]
    lifecycle.move(ids, Status.QUEUED, [entry], next_attempt_at=at)
    Change.objects.filter(request__in=ids, batch=batch).update(
        status=ChangeStatus.PENDING, batch=None
    )


def begin_restoration(
    run: LaneRun, batch: Batch, before: Sequence[RRsetChange], why: str
) -> Batch:
    """Write the message that puts back what was there before ``batch``.

    The changes of the batch are on the wire with it from now on.

    Raises:
        LeaseLost: the lease is not ours any more; nothing is written.
    """
    with transaction.atomic():
        run.decide(batch, BatchStatus.NOT_APPLIED, rcode=batch.rcode, error=why)
        restoration = run.write_batch(run.next_number(), requests=0, images=before)
        restoration.error = why
        restoration.save(update_fields=["error"])
        Change.objects.filter(batch=batch, status=ChangeStatus.SENT).update(
            batch=restoration
        )
    return restoration


def restored(
    run: LaneRun, restoration: Batch, parcels: Sequence[Parcel], rcode: str
) -> None:
    """Write that all is as it was before; the requests are queued again.

    Raises:
        LeaseLost: the lease is not ours any more; nothing is written.
    """
    why = restoration.error
    entry = Entry(Step.RETRY_SCHEDULED, f"{why}; what was there is put back", "warning")
    with transaction.atomic():
        run.decide(restoration, BatchStatus.APPLIED, rcode=rcode, error=why)
        _queue_again(restoration, parcels, entry, None)


def note_unavailable(zone: Zone, error: ProviderError, at: datetime) -> None:
    """Tell what waits for the server, sent or to be sent next, until when and why."""
    sent = Change.objects.filter(zone=zone, status=ChangeStatus.SENT)
    ids = set(sent.values_list("request_id", flat=True))
    ids |= set(queue.scan(zone.pk).request_ids)
    entry = Entry(
        Step.BACKEND_UNAVAILABLE,
        f"{error.detail}; next attempt at {at:%H:%M:%S} UTC",
        "warning",
        {"code": error.code},
    )
    lifecycle.postpone(sorted(ids), at, entry)


def fail(run: LaneRun, parcels: Sequence[Parcel], error: DnsorchError) -> None:
    """Fail change sets for good and take them out of the wanted state."""
    if isinstance(error, ProviderError):
        error = RefusedByServer(
            f"the server refused the change: {error.detail}"
            + (f" ({error.rcode})" if error.rcode else "")
        )
    withdrawal.fail(run.zone, {parcel.request_id: error for parcel in parcels})


def applied_images(zone: Zone, parcels: Sequence[Parcel]) -> list[RRsetChange]:
    """Return what was applied before, for every RRset of ``parcels``."""
    ids = {change.rrset_id for parcel in parcels for change in parcel.changes}
    return [
        queue.rrset_change(Key(row.name, row.type), Image.load(row.applied))
        for row in RRset.objects.filter(zone=zone, pk__in=ids).order_by("name", "type")
    ]


def partly_refused(missing: Sequence[str], some_applied: bool) -> DnsorchError:
    """Return the reason of a change set of which a server ignored parts."""
    kind = PartlyRefused if some_applied else IgnoredByServer
    reasons = tuple(
        Reason("", "ignored", f"{part} was not applied") for part in missing
    )
    listed = ", ".join(missing)
    return kind(
        f"the server answered NOERROR and silently ignored {listed}; "
        "what it had applied was put back",
        reasons=reasons,
    )


def marker_ignored() -> DnsorchError:
    """Return the reason of change sets at a server that keeps nothing we send."""
    return IgnoredByServer(
        "the server answers UPDATEs with NOERROR and does not carry them out: "
        "not even the marker was set"
    )
