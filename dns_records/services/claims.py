"""Taking requests for a message: its row is written before it is sent."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from uuid import UUID

from django.db import transaction
from django.db.models import QuerySet

from dns_records.models import Batch, Change, ChangeStatus
from dns_records.services import queue
from dns_records.services.lane_run import LaneRun
from dns_records.services.queue import Parcel
from dnsorch import prepared
from dnsorch.prepared import Update
from requests_tracker.models import Step
from requests_tracker.services import lifecycle
from requests_tracker.services.timeline import Entry
from requests_tracker.status import Status


def claim(
    run: LaneRun, request_ids: Sequence[UUID]
) -> tuple[Batch | None, Sequence[Parcel]]:
    """Write the batch and take its requests, which may have been cancelled meanwhile.

    Their changes are read under the requests' locks: a change set that was taken out
    since the scan may have changed them.
    """
    server = run.zone.nameservers[0] if run.zone.nameservers else run.zone.backend.name
    with transaction.atomic():
        others = len(request_ids) - 1
        together = f" with {others} other change set(s)" if others else ""
        number = run.next_number()
        moved = lifecycle.move(
            request_ids,
            Status.PROVISIONING,
            [
                Entry(
                    Step.SENT,
                    f"UPDATE {run.lease.epoch}.{number} sent to {server}{together}",
                    data={"epoch": run.lease.epoch, "number": number},
                )
            ],
            count_attempt=True,
        )
        kept = {request.pk for request in moved}
        if not kept:
            return None, []
        parcels = queue.parcels(_pending(kept))
        images, _ = queue.message(parcels)
        batch = run.write_batch(number, requests=len(parcels), images=images)
        _mark_sent(kept, batch.pk)
    return batch, parcels


@prepared.rows
def _pending(request_ids: Collection[UUID]) -> QuerySet[Change]:
    mine = Change.objects.filter(request__pk__in=request_ids)
    return mine.filter(status=ChangeStatus.PENDING).order_by("id")


@prepared.update
def _mark_sent(request_ids: Collection[UUID], batch_id: int) -> Update:
    mine = Change.objects.filter(request__pk__in=request_ids)
    values = {"status": ChangeStatus.SENT, "batch_id": batch_id}
    return mine.filter(status=ChangeStatus.PENDING), values
