"""What became of a batch, written by the holder of the lease and guarded by it."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from uuid import UUID

from django.db import transaction

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
from dns_records.services import lanes, queue, withdrawal
from dns_records.services.lane_run import LaneRun
from dns_records.services.queue import Parcel
from dnsorch import clock
from dnsorch.exceptions import DnsorchError, Reason
from requests_tracker.models import Request, Step
from requests_tracker.services import lifecycle, timeline
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
        older = list(
            Change.objects.filter(
                rrset__in=latest,
                status=ChangeStatus.APPLIED,
                next_check_at__isnull=False,
            )
        )
        _lock_requests({change.request_id for change in [*older, *rows]})
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
        Change.objects.bulk_update(older, ["status", "superseded_by"])
        Change.objects.bulk_update(
            rows,
            [
                "status",
                "superseded_by",
                "applied_at",
                "next_check_at",
                "check_deadline_at",
            ],
        )
        _remember_applied(latest)
        _move_to_verifying(run, batch, rows)
        _tell_superseded(older, {change.pk: change for change in rows})
    lanes.note_success(run.lease)


def _lock_requests(request_ids: set[UUID]) -> None:
    """Lock requests before their changes, as everybody does who writes both."""
    rows = Request.objects.select_for_update().filter(pk__in=request_ids)
    list(rows.order_by("pk").values_list("pk"))


def _remember_applied(latest: dict[int, Change]) -> None:
    images = [
        RRset(pk=rrset_id, applied=change.after) for rrset_id, change in latest.items()
    ]
    RRset.objects.bulk_update(images, ["applied"])


def _move_to_verifying(run: LaneRun, batch: Batch, rows: Sequence[Change]) -> None:
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

    lifecycle.move(own, Status.VERIFYING, entries)


def _tell_superseded(older: Sequence[Change], latest: dict[int, Change]) -> None:
    for change in older:
        by = latest[change.superseded_by_id or 0]
        timeline.append([change.request_id], _superseded_entry(change, by))


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
        run.decide(batch, BatchStatus.NOT_APPLIED, error=why)
        ids = [parcel.request_id for parcel in parcels]
        lifecycle.move(ids, Status.QUEUED, [entry], next_attempt_at=at)
        Change.objects.filter(request__in=ids, batch=batch).update(
            status=ChangeStatus.PENDING, batch=None
        )


def note_unavailable(zone: Zone, error: ProviderError, at: datetime) -> None:
    """Tell the requests whose batch is undecided what they wait for."""
    waiting = Change.objects.filter(zone=zone, status=ChangeStatus.SENT)
    entry = Entry(
        Step.BACKEND_UNAVAILABLE,
        f"{error.detail}; asked again at {at:%H:%M:%S} UTC",
        "warning",
        {"code": error.code},
    )
    ids = waiting.values_list("request_id", flat=True).distinct()
    timeline.append(list(ids), entry)


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
