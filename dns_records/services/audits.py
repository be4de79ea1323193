"""Audits of zones, and drift resolved: tracked requests that a worker sees to.

Asked for by a client, due by a zone's interval, or because its serial moved. A zone is
compared by one process at a time, claimed on the database's clock.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from functools import partial

import structlog
from django.db import transaction
from django.db.models import Min, Q
from django.db.models.functions import Now

from dns_records.images import Key
from dns_records.models import AuditKind, AuditTask, Drift, DriftKind, Lane, Zone
from dns_records.providers.errors import ProviderError
from dns_records.services import findings, orders, outcomes, resolution, wake, zones
from dns_records.services.findings import Findings
from dns_records.services.lanes import LeaseLost
from dns_records.services.zone_claims import Claim
from dnsorch import clock
from dnsorch.exceptions import Conflict, DnsorchError, Reason
from dnsorch.tokens.access import Access
from requests_tracker.models import Request, Source, Step
from requests_tracker.services import acceptance, lifecycle
from requests_tracker.services.acceptance import Doorway
from requests_tracker.services.idempotency import Answer
from requests_tracker.services.lifecycle import Origin
from requests_tracker.services.timeline import Entry
from requests_tracker.status import FINAL, Status

logger = structlog.get_logger(__name__)

AUDIT = "audit"
RESOLVE = "resolve_drift"
# For so long nobody else audits a zone, unless the claim is renewed.
CLAIM = timedelta(seconds=120)
# What could not be done is tried again after so long.
AGAIN = timedelta(seconds=60)


class AuditFailed(DnsorchError):
    """The zone could not be compared with its update server."""

    code = "audit_failed"


class NothingToResolve(Conflict):
    """There is no open drift of that kind, or another request resolves it."""

    code = "nothing_to_resolve"


# --- asked for ------------------------------------------------------------------------


def ask(access: Access, origin: Origin, request: Request, zone: Zone) -> None:
    """Accept that a zone is compared with its update server.

    Raises:
        Forbidden: they may only read it.
    """
    _accept(access, origin, request, zone, AuditKind.AUDIT)


def retry(
    access: Access, origin: Origin, failed: Request, zone: Zone, doorway: Doorway
) -> Answer:
    """Ask anew for an audit that has failed.

    Raises:
        IdempotencyKeyReused, IdempotencyInProgress: there is no new request then.
    """
    again = replace(origin, action=AUDIT, api_version=failed.api_version)

    def perform(request: Request) -> None:
        request.retry_of = failed
        ask(access, again, request, zone)

    return acceptance.run(
        again,
        operation={"action": "retry", "request": str(failed.pk)},
        perform=perform,
        doorway=doorway,
    )


def resolve(
    access: Access,
    origin: Origin,
    request: Request,
    zone: Zone,
    *,
    by: str,
    keys: Sequence[Key] | None = None,
) -> None:
    """Accept that open drift is resolved by ``restore`` or ``adopt``.

    ``keys`` are the RRsets, None for all that can be. What is extra cannot be restored:
    it is not ours to delete.

    Raises:
        Forbidden: they may only read the zone.
        NothingToResolve: one of the RRsets has no such drift, or none has.
    """
    _accept(access, origin, request, zone, AuditKind(by))
    rows = findings.open_in(zone).filter(resolving__isnull=True)
    if by == AuditKind.RESTORE:
        rows = rows.exclude(kind=DriftKind.EXTRA)
    if keys is not None:
        rows = rows.filter(pk__in=_named(rows.values_list("name", "type", "pk"), keys))
    if not rows.update(resolving=request):
        raise NothingToResolve(f"{zone.name} has no open drift to {by}")


def _named(rows: Collection[tuple[str, str, int]], keys: Sequence[Key]) -> list[int]:
    """Return the ids of the rows that are named.

    Raises:
        NothingToResolve: one of them is not there.
    """
    wanted = set(keys)
    there = {
        Key(name, rtype): pk for name, rtype, pk in rows if Key(name, rtype) in wanted
    }
    reasons = tuple(
        Reason(
            f"/records/{index}",
            NothingToResolve.code,
            f"{key.name} {key.type} has no open drift that this can resolve",
        )
        for index, key in enumerate(keys)
        if key not in there
    )
    if reasons:
        raise NothingToResolve(reasons[0].detail, reasons=reasons)
    return list(there.values())


def _accept(
    access: Access, origin: Origin, request: Request, zone: Zone, kind: AuditKind
) -> None:
    zones.check_write(access, zone)
    request.zone = zone.name
    waits = Entry(Step.ENQUEUED, f"{kind} of {zone.name} waits for a worker")
    lifecycle.open_queued(request, [origin.received(), waits])
    AuditTask.objects.create(request=request, zone=zone, kind=kind, due_at=Now())
    transaction.on_commit(partial(wake.publish_aside, wake.AUDIT, zone.pk), robust=True)


# --- what is due ----------------------------------------------------------------------


def due() -> list[tuple[int, datetime]]:
    """Return the zones in which something is due and nobody is at it, since when."""
    free = Q(audit_claim__isnull=True) | Q(audit_claim__lte=Now())
    lanes = Lane.objects.filter(free)
    tasks = AuditTask.objects.filter(due_at__lte=Now(), zone__lane__in=lanes)
    found: dict[int, datetime] = dict(
        tasks.order_by().values_list("zone_id").annotate(since=Min("due_at"))
    )
    scheduled = lanes.filter(audit_at__lte=Now())
    for zone_id, since in scheduled.values_list("zone_id", "audit_at"):
        if since is not None:
            found.setdefault(zone_id, since)
    return sorted(found.items())


def run_due(zone_id: int) -> None:
    """Do what is due in a zone, unless somebody is at it."""
    zone = Zone.objects.select_related("backend").filter(pk=zone_id).first()
    if zone is None:
        return
    claim = Claim.take(zone.pk, "audit_claim", CLAIM)
    if claim is None:
        return
    try:
        tasks = AuditTask.objects.filter(zone=zone, due_at__lte=Now())
        for task in tasks.select_related("request"):
            # Whatever becomes of it, it does not keep us busy.
            AuditTask.objects.filter(pk=task.pk).update(due_at=Now() + AGAIN)
            _run(zone, task, claim)
        _run_scheduled(zone, claim)
    except LeaseLost:
        logger.warning("claim lost", zone=zone.name)
    finally:
        claim.give_back()


def _run(zone: Zone, task: AuditTask, claim: Claim) -> None:
    request = task.request
    if request.status in FINAL:  # cancelled, or too late
        _forget(task)
        return
    if request.status == Status.QUEUED:
        entry = Entry(Step.SENT, f"{zone.backend.name} is asked what it holds")
        if not lifecycle.move(
            [request.pk], Status.PROVISIONING, [entry], count_attempt=True
        ):
            return
    try:
        entries = _DO[AuditKind(task.kind)](zone, task, claim)
    except LeaseLost:
        raise
    except DnsorchError as error:
        _fail(zone, task, error)
        return
    except Exception:
        if request.deadline_at is not None and request.deadline_at <= clock.now():
            _fail(zone, task, AuditFailed("an error within dnsorch; its log has more"))
        raise
    if entries is not None:
        _complete(zone, task, entries)


def _audit(zone: Zone, task: AuditTask, claim: Claim) -> list[Entry]:
    try:
        found = findings.note(zone, claim)
    except ProviderError as error:
        raise AuditFailed(f"the server does not tell: {error.detail}") from error
    return [_told(found)]


_DO: Mapping[AuditKind, resolution.Do] = {
    AuditKind.AUDIT: _audit,
    AuditKind.RESTORE: resolution.restore,
    AuditKind.ADOPT: resolution.adopt,
}


def _told(found: Findings) -> Entry:
    level = "warning" if found.total else "info"
    return Entry(Step.VERIFIED, str(found), level, found.as_dict())


def _complete(zone: Zone, task: AuditTask, entries: Sequence[Entry]) -> None:
    ids = [task.request_id]
    with transaction.atomic():
        lifecycle.move(ids, Status.VERIFYING, entries)
        _forget(task)
        outcomes.complete(zone.pk, ids, [])


def _fail(zone: Zone, task: AuditTask, error: DnsorchError) -> None:
    with transaction.atomic():
        outcomes.fail(zone.pk, {task.request_id: error})
        _forget(task)


def _forget(task: AuditTask) -> None:
    """Let go of the task, and of the drift that it has not resolved."""
    left = Drift.objects.filter(resolving=task.request_id, resolved_at__isnull=True)
    left.update(resolving=None)
    task.delete()


def _run_scheduled(zone: Zone, claim: Claim) -> None:
    """Do the audit that is due, and tell of drift that nobody knew as a request."""
    lane = Lane.objects.filter(zone=zone)
    if not lane.filter(audit_at__lte=Now()).update(audit_at=Now() + AGAIN):
        return
    until, reason = lane.values_list("audit_at", "audit_reason").get()
    try:
        found = findings.note(zone, claim)
    except ProviderError as error:
        logger.warning("not audited", zone=zone.name, error=error.detail)
        lane.update(last_audit={"at": clock.iso(clock.now()), "error": error.detail})
        return
    if found.new:
        logger.warning("drift", zone=zone.name, reason=reason, **found.counts)
        _tell(zone, found, reason or "its interval is over")
    seconds = zone.audit_interval_s
    following = None if seconds is None else Now() + timedelta(seconds=seconds)
    # Another reason that came meanwhile is not seen to yet.
    lane.filter(audit_at=until).update(audit_at=following, audit_reason="")


def _tell(zone: Zone, found: Findings, reason: str) -> None:
    ourselves = Access(orders.OURSELVES, Source.SCHEDULE)
    origin = Origin.inside(ourselves, AUDIT)
    request = origin.request()
    request.zone, request.comment = zone.name, reason
    with transaction.atomic():
        lifecycle.open_completed(
            request,
            [origin.received(), _told(found)],
            partial(outcomes.take_sequence, zone.pk),
        )
