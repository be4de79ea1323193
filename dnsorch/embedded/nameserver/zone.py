"""Zones: made, read from text, and changed RRset by RRset.

A zone is a :class:`dns.btreezone.Zone` with absolute names. Its versions share
structure, so a transaction costs by what it touches, not by the size of the zone,
and an answer or a transfer reads one version however long it takes.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import cast

import dns.btreezone
import dns.name
import dns.rdata
import dns.rdataclass
import dns.rdataset
import dns.rdatatype
import dns.rdtypes.ANY.SOA
import dns.transaction
import dns.zone

from dnsorch.embedded.nameserver.journal import AppliedUpdate, Record

Zone = dns.btreezone.Zone
Version = dns.btreezone.ImmutableVersion
SOA = dns.rdtypes.ANY.SOA.SOA

FRESH_ZONE = """\
@ 3600 IN SOA ns1 hostmaster 1 3600 900 604800 60
@ 3600 IN NS ns1
ns1 3600 IN A 127.0.0.1
"""


def from_text(text: str, origin: dns.name.Name | str) -> Zone:
    """Return the zone that a master file (RFC 1035 section 5) describes.

    Raises :class:`dns.exception.DNSException` for text that is no zone with an SOA
    and an NS RRset at its apex.
    """
    zone = dns.zone.from_text(
        text, origin=origin, relativize=False, zone_factory=dns.btreezone.Zone
    )
    return cast(Zone, zone)


def fresh(origin: dns.name.Name | str) -> Zone:
    """Return a zone with serial 1, one name server in it and nothing else."""
    return from_text(FRESH_ZONE, origin)


def origin_of(zone: Zone) -> dns.name.Name:
    """Return the apex name of the zone."""
    assert zone.origin is not None
    return zone.origin


def current(zone: Zone) -> Version:
    """Return the newest version, which stays as it is for ever."""
    with zone.reader() as txn:
        return cast(Version, cast(dns.zone.Transaction, txn).version)


def soa_of(version: dns.zone.Version) -> dns.rdataset.Rdataset:
    """Return the SOA RRset of a version."""
    origin = version.origin
    assert origin is not None
    soa = version.get_rdataset(origin, dns.rdatatype.SOA, dns.rdatatype.NONE)
    assert soa is not None
    return soa


def serial_of(version: dns.zone.Version) -> int:
    """Return the serial of a version."""
    return cast(SOA, soa_of(version)[0]).serial


def rdatasets_at(
    version: dns.zone.Version, name: dns.name.Name
) -> list[dns.rdataset.Rdataset]:
    """Return the RRsets of an owner name: none if it does not exist."""
    node = version.get_node(name)
    return list(node.rdatasets) if node is not None else []


def put(
    txn: dns.transaction.Transaction,
    name: dns.name.Name,
    ttl: int,
    rdatas: Iterable[dns.rdata.Rdata],
) -> None:
    """Add RRs of one type to an RRset and give the whole of it this TTL.

    One RRset has one TTL (RFC 2181 section 5.2): the last one given, as BIND has it.
    Of a singleton type (CNAME, SOA ...) the last rdata replaces the others.
    """
    added = list(rdatas)
    rdtype, covers = added[0].rdtype, added[0].covers()
    present = txn.get(name, rdtype, covers) or ()
    # Of equal RRs the first stays, so what is there keeps its spelling.
    kept = list(dict.fromkeys([*present, *added]))
    if dns.rdatatype.is_singleton(rdtype):
        kept = [rdata for rdata in kept if rdata == added[-1]]
    rdataset = dns.rdataset.from_rdata_list(ttl, kept)
    txn.replace(name, rdataset)


def replay(zone: Zone, updates: Iterable[AppliedUpdate]) -> None:
    """Apply what a journal kept to the zone, in one transaction."""
    origin = origin_of(zone)
    with zone.writer() as txn:
        for update in updates:
            for record in update.deletes:
                txn.delete(*_owner_and_rdata(record))
            for record in update.adds:
                name, rdata = _owner_and_rdata(record)
                put(txn, name, record.ttl, [rdata])
            txn.update_serial(update.serial, False, origin)


def _owner_and_rdata(record: Record) -> tuple[dns.name.Name, dns.rdata.Rdata]:
    """Return the owner name and the rdata that a record is the text of."""
    rdata = dns.rdata.from_text(
        dns.rdataclass.IN, record.type, record.rdata, relativize=False
    )
    return dns.name.from_text(record.name), rdata


def records_of(
    name: dns.name.Name, rdatasets: Iterable[dns.rdataset.Rdataset]
) -> Iterator[Record]:
    """Yield the text of each RR of the RRsets of an owner name."""
    for rdataset in rdatasets:
        rdtype = dns.rdatatype.to_text(rdataset.rdtype)
        for rdata in rdataset:
            yield Record(str(name), rdataset.ttl, rdtype, rdata.to_text())
