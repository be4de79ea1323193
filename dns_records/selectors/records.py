"""Records of the wanted state, as somebody may see them."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any
from uuid import UUID

from django.db.models import Exists, OuterRef, Q, QuerySet

from dns_records import names, record_types
from dns_records.models import Record, RRset, Zone
from dns_records.selectors import rrsets, texts
from dnsorch import clock
from dnsorch.exceptions import NotFound
from dnsorch.tokens.access import Access


def visible_to(access: Access) -> QuerySet[Record]:
    """Return the records of the zones somebody may read, with ``pending``."""
    found = annotated(Record.objects.all())
    if access.zones is not None:
        found = found.filter(rrset__zone__in=_ids(access.zones))
    return found


def _ids(zones: Iterable[str]) -> list[int]:
    """Return the ids of zones: by them the index of the RRsets is in order."""
    rows = Zone.objects.filter(name__in=sorted(zones)).order_by("pk")
    return list(rows.values_list("pk", flat=True))


def annotated(records: QuerySet[Record]) -> QuerySet[Record]:
    """Add ``pending``: whether a change of the record's RRset is on its way."""
    return records.select_related("rrset__zone").annotate(
        pending=Exists(rrsets.open_changes(OuterRef("rrset")))
    )


def as_written(record: Record, rrset: RRset) -> Record:
    """Return a record of an RRset just written, as :func:`annotated` would read it."""
    record.rrset = rrset
    seen: Any = record
    seen.pending = True
    return record


def get(access: Access, record_id: UUID) -> Record:
    """Return one record.

    Raises:
        NotFound: there is none, or it is not theirs to see.
    """
    found = visible_to(access).filter(pk=record_id).first()
    if found is None:
        raise NotFound(f"there is no record {record_id}")
    return found


def search(
    access: Access,
    *,
    zone: str = "",
    name: str = "",
    rtype: str = "",
    value: str = "",
    text: str = "",
) -> QuerySet[Record]:
    """Return the records that match every filter given, by name and type.

    The filters are as a client writes them; without ``zone`` a ``name`` is absolute.

    Raises:
        Invalid: a filter is no name, type or rdata.
    """
    found = visible_to(access)
    apex = names.zone_name(zone) if zone else ""
    if apex:
        found = found.filter(rrset__zone__in=_ids([apex]))
    if name:
        canonical = names.owner_name(name, apex) if apex else names.absolute_name(name)
        found = found.filter(rrset__name=canonical)
    if rtype:
        found = found.filter(rrset__type=record_types.lookup(rtype).name)
    if value:
        found = found.filter(digest__in=rrsets.digests(value, rtype, apex or "."))
    if text:
        found = found.filter(_holding(text))
    return found.order_by("rrset__name", "rrset__type", "id")


def _holding(text: str) -> Q:
    """Return the condition of records with a text in their names or rdata."""
    if (few := texts.few(text)) is not None:
        return Q(rrset__in=few.rrsets) | Q(pk__in=few.records)
    return Q(rrset__name__icontains=text) | Q(rdata__icontains=text)


def body(record: Record) -> dict[str, Any]:
    """Return the JSON form of a record that :func:`visible_to` has read."""
    rrset = record.rrset
    return {
        "id": str(record.pk),
        "zone": rrset.zone.name,
        "name": rrset.name,
        "name_unicode": names.display(rrset.name),
        "type": rrset.type,
        "value": record.rdata,
        "ttl": rrset.ttl,
        "status": rrsets.state(record),
        "comment": record.comment,
        "expires_at": clock.iso(record.expires_at),
        "created_at": clock.iso(record.created_at),
        "updated_at": clock.iso(max(record.updated_at, rrset.updated_at)),
        "links": {"self": f"/api/v1/dns-records/{record.pk}/"},
    }
