"""RRsets of the wanted state, as somebody may see them."""

from __future__ import annotations

from typing import Any
from urllib.parse import quote

from django.db.models import Exists, OuterRef, Prefetch, Q, QuerySet

from dns_records import names, rdata, record_types
from dns_records.models import Change, Record, RRset, Zone
from dns_records.models.change import ChangeStatus
from dns_records.selectors import texts
from dnsorch import clock
from dnsorch.exceptions import Invalid, NotFound

# Many times the changes of a change set.
MAX_COUNTED = 10_000


def in_zone(
    zone: Zone,
    *,
    name: str = "",
    rtype: str = "",
    value: str = "",
    text: str = "",
    status: str = "",
) -> QuerySet[RRset]:
    """Return the RRsets of a zone that match every filter given, by name and type.

    ``name`` and ``rtype`` are as a client writes them; ``value`` is rdata, compared in
    canonical form; ``text`` is a part of the name or of the rdata.

    Raises:
        Invalid: a filter is no name, type or rdata.
    """
    found = with_state(RRset.objects.filter(zone=zone, present=True))
    if name:
        found = found.filter(name=names.owner_name(name, zone.name))
    if rtype:
        found = found.filter(type=record_types.lookup(rtype).name)
    if value:
        records = Record.objects.filter(digest__in=digests(value, rtype, zone.name))
        found = found.filter(Exists(records.filter(rrset=OuterRef("pk"))))
    if text:
        found = found.filter(_holding(text))
    if status:
        pending = Exists(open_changes(OuterRef("pk")))
        found = found.filter(pending if status == "pending" else ~pending)
    return found.order_by("name", "type")


def _holding(text: str) -> Q:
    """Return the condition of RRsets with a text in their name or rdata."""
    if (few := texts.few(text)) is not None:
        by_rdata = Record.objects.filter(pk__in=few.records)
        return Q(pk__in=few.rrsets) | Q(pk__in=by_rdata.values("rrset"))
    records = Record.objects.filter(rrset=OuterRef("pk"), rdata__icontains=text)
    return Q(name__icontains=text) | Q(Exists(records))


def counted(zone: Zone) -> int:
    """Return how many RRsets the zone has, as far as a plan needs to know.

    Counting ends where no change set is a large share of them any more.
    """
    return RRset.objects.filter(zone=zone, present=True)[:MAX_COUNTED].count()


def get(zone: Zone, name: str, rtype: str) -> RRset:
    """Return one RRset, named as a client writes it.

    Raises:
        Invalid: it is no name or type.
        NotFound: it is absent.
    """
    canonical = names.owner_name(name, zone.name)
    type_name = record_types.lookup(rtype).name
    rows = with_state(RRset.objects.filter(zone=zone, present=True))
    found = rows.filter(name=canonical, type=type_name).first()
    if found is None:
        raise NotFound(f"there is no RRset {canonical} {type_name}")
    return found


def with_state(rrsets: QuerySet[RRset]) -> QuerySet[RRset]:
    """Add ``pending``: whether a change of the RRset is still on its way."""
    records = Prefetch("records", Record.objects.order_by("rdata"))
    return (
        rrsets.annotate(pending=Exists(open_changes(OuterRef("pk"))))
        .select_related("zone")
        .prefetch_related(records)
    )


def open_changes(rrset: Any) -> QuerySet[Change]:
    """Return the changes of an RRset that are not yet live or given up."""
    return Change.objects.filter(rrset=rrset).filter(
        Q(status__in=[ChangeStatus.PENDING, ChangeStatus.SENT])
        | Q(next_check_at__isnull=False)
    )


def digests(value: str, rtype: str, zone: str) -> list[str]:
    """Return the digests that ``value`` has as rdata of ``rtype``, or of any type.

    Raises:
        Invalid: ``value`` is no rdata of the type, or of none at all.
    """
    if rtype:
        return [rdata.parse(rtype, value, zone=zone).digest]
    found = []
    for each in record_types.RECORD_TYPES:
        try:
            found.append(rdata.parse(each, value, zone=zone).digest)
        except Invalid:
            continue
    if not found:
        raise rdata.InvalidRdata(f"{names.quoted(value)} is no rdata of any type")
    return found


def body(rrset: RRset) -> dict[str, Any]:
    """Return the JSON form of an RRset that :func:`with_state` has read."""
    zone = rrset.zone.name
    where = f"/api/v2/zones/{quote(zone)}/rrsets/{quote(rrset.name)}/{rrset.type}/"
    return {
        "zone": zone,
        "name": rrset.name,
        "name_unicode": names.display(rrset.name),
        "type": rrset.type,
        "ttl": rrset.ttl,
        "records": sorted(record.rdata for record in rrset.records.all()),
        "comment": rrset.comment,
        "expires": {
            record.rdata: clock.iso(record.expires_at)
            for record in rrset.records.all()
            if record.expires_at
        },
        "status": state(rrset),
        "version": rrset.version,
        "updated_at": clock.iso(rrset.updated_at),
        "links": {"self": where, "history": f"{where}history/"},
    }


def state(row: Any) -> str:
    """Return ``pending`` or ``live``, of a row with ``pending``."""
    return "pending" if row.pending else "live"
