"""Zones: found for a caller, registered, changed, forgotten."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from datetime import timedelta
from typing import Any

from django.conf import settings
from django.db import IntegrityError, transaction
from django.db.models import Q, QuerySet
from django.db.models.functions import Now

from dns_records import names
from dns_records.models import (
    AuditTask,
    Backend,
    Batch,
    Change,
    Lane,
    Mode,
    RRset,
    ScheduledChange,
    VerifyPolicy,
    Zone,
    ZoneImport,
)
from dns_records.models.change import ChangeStatus
from dns_records.models.zone import MAX_TTL
from dns_records.providers import registry
from dnsorch import prepared
from dnsorch.exceptions import Conflict, Forbidden, Invalid, Reason, ZoneNotFound
from dnsorch.tokens.access import Access
from requests_tracker.status import OPEN, Status

MAX_PARAMETERS = 5000


class ZoneExists(Conflict):
    """A zone of that name is registered already."""

    code = "zone_exists"


class ZoneNotEmpty(Conflict):
    """The zone still has records."""

    code = "zone_not_empty"


class LaneNotEmpty(Conflict):
    """Changes of the zone are still on their way."""

    code = "lane_not_empty"


def get(access: Access, name: str) -> Zone:
    """Return the zone of a canonical name for somebody who may read it.

    Raises:
        ZoneNotFound: there is none, or it is not theirs to see.
    """
    found = _named([name])
    if not found or not access.may_read(name):
        raise ZoneNotFound(f"no zone {name} is registered")
    return found[0]


def by_id(zone_id: int) -> Zone | None:
    """Return the zone of a lane, None if it is not registered any more."""
    return next(iter(_of_id(zone_id)), None)


def get_for_write(access: Access, text: str) -> Zone:
    """Return the zone that a client names, for somebody who may change it.

    Raises:
        InvalidName: ``text`` is no name of a zone.
        ZoneNotFound: there is none, or it is not theirs to see.
        Forbidden: they may only read it.
    """
    return check_write(access, get(access, names.zone_name(text)))


def find_for_write(access: Access, name: str) -> Zone | None:
    """Return the zone that a request was about, None if it is not registered any more.

    Raises:
        Forbidden: they may only read it, or may change nothing at all.
    """
    zone = Zone.objects.select_related("backend").filter(name=name).first()
    if zone is not None:
        return check_write(access, zone)
    if access.read_only:
        raise Forbidden()
    return None


def for_name(access: Access, name: str) -> Zone:
    """Return the zone with the longest apex that ``name``, canonical, is in.

    Raises:
        ZoneNotFound: no registered zone holds it, or not one of theirs.
        Forbidden: they may only read it.
    """
    return check_held(access, name, holders([name]).get(name))


def check_held(access: Access, name: str, held: Zone | None) -> Zone:
    """Return the zone that holds ``name`` for somebody who may change it.

    Raises:
        ZoneNotFound: there is none, or it is not theirs to see.
        Forbidden: they may only read it.
    """
    if held is None or not access.may_read(held.name):
        raise ZoneNotFound(f"no registered zone holds {name}")
    return check_write(access, held)


def holders(wanted: Iterable[str]) -> dict[str, Zone]:
    """Return the zone with the longest apex for each canonical name that is in one."""
    by_name = {name: names.suffixes(name) for name in wanted}
    suffixes = sorted({suffix for own in by_name.values() for suffix in own})
    found: dict[str, Zone] = {}
    # A database takes so many parameters in one statement.
    for start in range(0, len(suffixes), MAX_PARAMETERS):
        some = _named(suffixes[start : start + MAX_PARAMETERS])
        found |= {zone.name: zone for zone in some}
    held = {
        name: next((found[each] for each in own if each in found), None)
        for name, own in by_name.items()
    }
    return {name: zone for name, zone in held.items() if zone is not None}


@prepared.rows
def _of_id(zone_id: int) -> QuerySet[Zone]:
    return Zone.objects.select_related("backend").filter(pk=zone_id)


@prepared.rows
def _named(names: Collection[str]) -> QuerySet[Zone]:
    return Zone.objects.select_related("backend").filter(name__in=names)


def check_write(access: Access, zone: Zone) -> Zone:
    """Return ``zone`` if the caller may change it.

    Raises:
        Forbidden: they may only read it.
    """
    if not access.may_write(zone.name):
        raise Forbidden(f"this token may not change {zone.name}")
    return zone


def register(*, name: str, backend: Backend, **fields: Any) -> Zone:
    """Register a zone, whose ``name`` is canonical, with its lane.

    ``fields`` are those of the model: ``nameservers``, ``verify_policy`` ...

    Raises:
        ZoneExists: it is registered already.
        Invalid: the verification policy cannot be met, or the TTLs exclude each other.
    """
    fields.setdefault("default_ttl", settings.DNSORCH_DEFAULT_TTL)
    fields.setdefault("verify_deadline_s", settings.DNSORCH_VERIFY_DEADLINE_S)
    zone = Zone(name=name, backend=backend, **fields)
    _check_policy(zone)
    _check_ttls(zone)
    _check_mode(zone)
    try:
        with transaction.atomic():
            zone.save(force_insert=True)
            Lane.objects.create(zone=zone, audit_at=_next_audit(zone))
    except IntegrityError as error:
        raise ZoneExists(f"the zone {name} is registered already") from error
    return zone


def change(zone: Zone, fields: Mapping[str, Any]) -> Zone:
    """Change fields of a zone.

    Raises:
        LaneNotEmpty: the backend cannot change while changes are on their way.
        Invalid: the verification policy cannot be met, or the TTLs exclude each other.
    """
    with transaction.atomic():
        # The lane before the zone, as everybody does who writes both.
        list(Lane.objects.select_for_update().filter(zone=zone).values_list("pk"))
        zone = Zone.objects.select_for_update().get(pk=zone.pk)
        backend = fields.get("backend")
        if backend is not None and backend.pk != zone.backend_id:
            _check_lane_is_empty(zone)
            # The other server has its own marker, or none.
            Lane.objects.filter(zone=zone).update(marker_epoch=0, marker_number=0)
        before = zone.audit_interval_s
        for name, value in fields.items():
            setattr(zone, name, value)
        _check_policy(zone)
        _check_ttls(zone)
        _check_mode(zone)
        if zone.audit_interval_s != before:
            Lane.objects.filter(zone=zone).update(audit_at=_next_audit(zone))
        zone.save(update_fields=[*fields, "updated_at"])
    return zone


def forget(zone: Zone, *, force: bool = False) -> None:
    """Delete a zone from dnsorch; DNS is not touched.

    Raises:
        LaneNotEmpty: changes are on their way or scheduled; ``force`` does not help.
        ZoneNotEmpty: it has records and ``force`` is not given.
    """
    with transaction.atomic():
        Zone.objects.select_for_update().get(pk=zone.pk)
        _check_lane_is_empty(zone)
        scheduled = ScheduledChange.objects.filter(zone=zone)
        if scheduled.filter(request__status=Status.SCHEDULED).exists():
            raise LaneNotEmpty(f"changes of {zone.name} are scheduled; cancel them")
        if not force and RRset.objects.filter(zone=zone, present=True).exists():
            raise ZoneNotEmpty(
                f"{zone.name} still has records; ?force=true forgets them here "
                "and leaves them in DNS"
            )
        zone.delete()


def _check_lane_is_empty(zone: Zone) -> None:
    waiting = Change.objects.filter(zone=zone).filter(
        Q(status__in=[ChangeStatus.PENDING, ChangeStatus.SENT])
        | Q(next_check_at__isnull=False)
    )
    undecided = Batch.objects.filter(lane=zone.pk, status="sent")
    if waiting.exists() or undecided.exists():
        raise LaneNotEmpty(f"changes of {zone.name} are still on their way")
    if ZoneImport.objects.filter(zone=zone, request__status__in=sorted(OPEN)).exists():
        raise LaneNotEmpty(f"an import of {zone.name} is not final yet")
    if AuditTask.objects.filter(zone=zone).exists():
        raise LaneNotEmpty(f"an audit of {zone.name} is still on its way")


def _next_audit(zone: Zone) -> Any:
    """Return when the zone is to be audited, on the database's clock; None: never."""
    seconds = zone.audit_interval_s
    return None if seconds is None else Now() + timedelta(seconds=seconds)


def _check_mode(zone: Zone) -> None:
    """Refuse to share a zone whose server cannot check what a change expects."""
    if zone.mode == Mode.SHARED:
        driver = zone.backend.driver
        if not registry.provider_class(driver).can_expect:
            raise _invalid(
                "/mode",
                f"a zone can be shared where its server checks what a change expects "
                f"(RFC 2136); the driver {driver} does not",
            )


def _check_policy(zone: Zone) -> None:
    """Refuse a policy that the name servers given can never meet."""
    policy, count = zone.verify_policy, len(zone.nameservers)
    if len(set(zone.nameservers)) != count:
        raise _invalid("/nameservers", "a name server is listed twice")
    if policy != VerifyPolicy.NONE and not count:
        raise _invalid("/nameservers", f"the policy {policy} needs a name server")
    if policy == VerifyPolicy.K_OF_N:
        if zone.verify_k is None or not 1 <= zone.verify_k <= count:
            raise _invalid("/verify/k", f"expected a number from 1 to {count}")


def _check_ttls(zone: Zone) -> None:
    """Refuse limits of the TTL that exclude each other or the default."""
    low = 0 if zone.min_ttl is None else zone.min_ttl
    high = MAX_TTL if zone.max_ttl is None else zone.max_ttl
    if low > high:
        raise _invalid("/min_ttl", f"expected at most the max_ttl of {high} seconds")
    if not low <= zone.default_ttl <= high:
        raise _invalid("/default_ttl", f"expected from {low} to {high} seconds")


def _invalid(pointer: str, detail: str) -> Invalid:
    return Invalid(detail, reasons=(Reason(pointer, "invalid", detail),))
