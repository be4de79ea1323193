"""A zone as a zone file (RFC 1035 section 5), line by line: what is wanted."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import islice

from django.conf import settings
from django.db import connection
from django.db.models import Q, QuerySet

from dns_records import nameservers, zone_files
from dns_records.models import Record, RRset, Zone
from dns_records.nameservers import Answer, Question
from dnsorch import clock

CONTENT_TYPE = "text/dns; charset=utf-8"  # RFC 4027
AT_ONCE = 2000
LINES_AT_ONCE = 500
#: Stand for SOA and NS where no name server tells them (RFC 2606).
MADE_UP_SOA = "ns.invalid. hostmaster.invalid. 1 3600 600 604800 300"
MADE_UP_NS = "ns.invalid."


def chunks(zone: Zone) -> Iterator[str]:
    """Yield the zone's file, some hundreds of lines at a time."""
    told = lines(zone)
    while chunk := "".join(islice(told, LINES_AT_ONCE)):
        yield chunk


def lines(zone: Zone) -> Iterator[str]:
    """Yield the lines of the zone's file, never all at once.

    They are from one moment; behind PgBouncer, without cursors, each page is.

    SOA and NS of the apex are the server's own, and asked for. A zone file is wanted
    most when no server answers: then they are made up, and a comment says so.
    """
    soa, why = _of_apex(zone)
    comments = [f"{zone.name} as dnsorch wants it, {clock.iso(clock.now())}"]
    if why:
        comments.append(f"SOA and NS are made up, since no name server told: {why}")
    yield from zone_files.head(zone.name, zone.default_ttl, comments)
    for rtype, answer in soa:
        for text in answer.records:
            yield zone_files.line(zone.name, answer.ttl, rtype, text)
    wanted = Record.objects.filter(rrset__zone=zone, rrset__present=True)
    if any(rtype == "NS" for rtype, _ in soa):
        wanted = wanted.exclude(rrset__name=zone.name, rrset__type="NS")
    fields = ("rrset__name", "rrset__ttl", "rrset__type", "rdata")
    for some in _pages(zone, wanted):
        ordered = some.order_by("rrset__name", "rrset__type", "rdata")
        for row in ordered.values_list(*fields).iterator(chunk_size=AT_ONCE):
            yield zone_files.line(*row)


def _pages(zone: Zone, records: QuerySet[Record]) -> Iterator[QuerySet[Record]]:
    """Yield what a statement reads: all, or parts where all would be held in memory.

    The parts follow the index of RRsets, in the database's own order of text.
    """
    if not connection.settings_dict.get("DISABLE_SERVER_SIDE_CURSORS"):
        yield records
        return
    rows = RRset.objects.filter(zone=zone, present=True).order_by("name", "type")
    rest = rows
    while page := list(rest.values_list("pk", "name", "type")[:AT_ONCE]):
        yield records.filter(rrset__in=[pk for pk, _, _ in page])
        _, name, rtype = page[-1]
        rest = rows.filter(Q(name__gt=name) | Q(type__gt=rtype), name__gte=name)


def _of_apex(zone: Zone) -> tuple[Sequence[tuple[str, Answer]], str]:
    """Return SOA and NS of the apex, and why they are made up if they are."""
    questions = [Question(zone.name, rtype) for rtype in ("SOA", "NS")]
    why = "the zone has none to ask"
    for address in zone.nameservers:
        report = nameservers.ask(
            address, zone.name, questions, timeout=settings.DNSORCH_QUERY_TIMEOUT_S
        )
        found = [(each.type, report.answers.get(each)) for each in questions]
        told = [(rtype, answer) for rtype, answer in found if answer is not None]
        if len(told) == len(questions):
            return told, ""
        why = report.error or f"{address} has no SOA or no NS"
    made_up = [("SOA", Answer(zone.default_ttl, (MADE_UP_SOA,)))]
    own = Record.objects.filter(rrset__zone=zone, rrset__name=zone.name)
    if not own.filter(rrset__type="NS", rrset__present=True).exists():
        made_up.append(("NS", Answer(zone.default_ttl, (MADE_UP_NS,))))
    return made_up, " ".join(why.split())


def disposition(zone: Zone) -> str:
    """Return what a browser calls the file (RFC 6266); a name may hold a slash."""
    name = "".join(c if c.isalnum() or c in "-._" else "_" for c in zone.name)
    return f'attachment; filename="{name}zone"'
