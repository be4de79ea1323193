"""UPDATE (RFC 2136): prerequisites, prescan and update rules.

All of a message happens in one transaction of the zone. RRs are taken in the order
of the message; an RR that the RFC says to ignore is ignored without a word. Where
the RFC leaves a choice, or BIND 9 departs from it, this is what BIND does: a malformed
update section is refused before the prerequisites are looked at.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import groupby
from typing import NamedTuple, cast

import dns.name
import dns.node
import dns.rcode
import dns.rdata
import dns.rdataclass
import dns.rdataset
import dns.rdatatype
import dns.rrset
import dns.serial
import dns.transaction
import dns.update
import dns.zone

from dnsorch.embedded.nameserver import zone as zones
from dnsorch.embedded.nameserver.errors import UpdateRefused
from dnsorch.embedded.nameserver.faults import Faults
from dnsorch.embedded.nameserver.journal import Record

ANY = dns.rdatatype.ANY
APEX_TYPES = (dns.rdatatype.SOA, dns.rdatatype.NS)


class Difference(NamedTuple):
    """What an UPDATE changed, net."""

    deletes: tuple[Record, ...]
    adds: tuple[Record, ...]


def run(
    txn: dns.zone.Transaction, message: dns.update.UpdateMessage, faults: Faults
) -> Difference:
    """Do in the transaction what the message says, and return what that changed.

    The serial has risen by one if anything changed and the message did not set it
    (section 3.6). The caller commits. Raises :class:`UpdateRefused`.
    """
    origin = zones.origin_of(cast(zones.Zone, txn.zone))
    before = zones.current(cast(zones.Zone, txn.zone))
    _check_faults(message, faults)
    _prescan(origin, message.update)
    _check_prerequisites(txn, origin, message.prerequisite)
    if faults.drop_updates:
        return Difference((), ())
    wanted = [rr for rr in message.update if rr.name not in faults.ignore_names]
    for _, run_of_rrs in groupby(wanted, _kind):
        _apply(txn, origin, list(run_of_rrs))
    names = dict.fromkeys(rr.name for rr in wanted)
    difference = _difference(before, _writable(txn), names)
    if any(difference) and zones.serial_of(before) == _soa(txn, origin).serial:
        txn.update_serial(1, True, origin)
    return difference


def _kind(rr: dns.rrset.RRset) -> tuple[object, ...]:
    """Return what RRs in a row must share to be applied at once.

    A thousand RRs of one RRset are then one change of it, not a thousand.
    """
    return rr.deleting, rr.name, rr.rdtype, rr.covers


def _check_faults(message: dns.update.UpdateMessage, faults: Faults) -> None:
    """Fail as a server does that is told to."""
    if faults.servfail_updates:
        raise UpdateRefused(dns.rcode.SERVFAIL, "told to fail")
    names = {rr.name for rr in message.update}
    if faults.refuse_updates or names & faults.refuse_names:
        raise UpdateRefused(dns.rcode.REFUSED, "told to refuse")


def _check_prerequisites(
    txn: dns.zone.Transaction,
    origin: dns.name.Name,
    prerequisites: list[dns.rrset.RRset],
) -> None:
    """Check the five forms of section 3.2; the first to fail gives the rcode."""
    exact: dict[tuple[dns.name.Name, int, int], set[dns.rdata.Rdata]] = {}
    for rr in prerequisites:
        if rr.ttl != 0:
            raise UpdateRefused(dns.rcode.FORMERR, "prerequisite with a TTL")
        if not rr.name.is_subdomain(origin):
            raise UpdateRefused(dns.rcode.NOTZONE, f"{rr.name} is not in the zone")
        if rr.deleting is not None:
            _check_existence(txn, rr)
        elif rr.rdclass != dns.rdataclass.IN:
            raise UpdateRefused(dns.rcode.FORMERR, "prerequisite of another class")
        else:
            exact.setdefault((rr.name, rr.rdtype, rr.covers), set()).update(rr)
    for (name, rdtype, covers), rdatas in exact.items():
        rdatype = dns.rdatatype.RdataType.make(rdtype)
        existing = txn.get(name, rdatype, dns.rdatatype.RdataType.make(covers))
        if set(existing or ()) != rdatas:
            raise UpdateRefused(dns.rcode.NXRRSET, f"{name} has another RRset")


def _check_existence(txn: dns.zone.Transaction, rr: dns.rrset.RRset) -> None:
    """Check that a name or an RRset is in use (class ANY) or is not (class NONE)."""
    by_name = rr.rdtype == ANY
    if by_name:
        found = txn.name_exists(rr.name)
    else:
        found = txn.get(rr.name, rr.rdtype) is not None
    wanted = rr.deleting == dns.rdataclass.ANY
    if found == wanted:
        return
    if wanted:
        rcode = dns.rcode.NXDOMAIN if by_name else dns.rcode.NXRRSET
    else:
        rcode = dns.rcode.YXDOMAIN if by_name else dns.rcode.YXRRSET
    raise UpdateRefused(rcode, f"prerequisite on {rr.name} does not hold")


def _prescan(origin: dns.name.Name, section: list[dns.rrset.RRset]) -> None:
    """Refuse an update section that is malformed anywhere (section 3.4.1).

    That the TTL of an RR of class ANY is 0 is not checked: the parser drops it.
    """
    for rr in section:
        if not rr.name.is_subdomain(origin):
            raise UpdateRefused(dns.rcode.NOTZONE, f"{rr.name} is not in the zone")
        meta = dns.rdatatype.is_metatype(rr.rdtype)
        if rr.deleting == dns.rdataclass.ANY:
            malformed = meta and rr.rdtype != ANY
        elif rr.deleting == dns.rdataclass.NONE:
            malformed = meta or rr.ttl != 0
        else:
            malformed = meta or rr.rdclass != dns.rdataclass.IN
        if malformed:
            raise UpdateRefused(dns.rcode.FORMERR, f"malformed RR of {rr.name}")


def _apply(
    txn: dns.zone.Transaction, origin: dns.name.Name, rrs: list[dns.rrset.RRset]
) -> None:
    """Apply a run of RRs of one kind (section 3.4.2)."""
    last = rrs[-1]
    rdatas = [rdata for rr in rrs for rdata in rr]
    if last.deleting == dns.rdataclass.ANY:
        _delete_rrsets(txn, last.name, last.rdtype, at_apex=last.name == origin)
    elif last.deleting == dns.rdataclass.NONE:
        _delete_rrs(txn, last.name, rdatas, at_apex=last.name == origin)
    elif last.rdtype == dns.rdatatype.SOA:
        _set_soa(txn, origin, last.name, last.ttl, rdatas)
    elif not _cname_conflict(txn, last):
        zones.put(txn, last.name, last.ttl, rdatas)


def _set_soa(
    txn: dns.zone.Transaction,
    origin: dns.name.Name,
    name: dns.name.Name,
    ttl: int,
    rdatas: Iterable[dns.rdata.Rdata],
) -> None:
    """Replace the SOA by one with a higher serial; ignore any other."""
    for rdata in rdatas:
        new = dns.serial.Serial(cast(zones.SOA, rdata).serial)
        if name == origin and new > dns.serial.Serial(_soa(txn, origin).serial):
            zones.put(txn, name, ttl, [rdata])


def _cname_conflict(txn: dns.zone.Transaction, rr: dns.rrset.RRset) -> bool:
    """Say whether a CNAME would come beside other data, or other data beside it."""
    kind = dns.node.NodeKind.classify(rr.rdtype, rr.covers)
    opposite = {
        dns.node.NodeKind.CNAME: dns.node.NodeKind.REGULAR,
        dns.node.NodeKind.REGULAR: dns.node.NodeKind.CNAME,
    }.get(kind)
    return any(
        dns.node.NodeKind.classify_rdataset(rdataset) == opposite
        for rdataset in zones.rdatasets_at(_writable(txn), rr.name)
    )


def _delete_rrsets(
    txn: dns.zone.Transaction,
    name: dns.name.Name,
    rdtype: dns.rdatatype.RdataType,
    *,
    at_apex: bool,
) -> None:
    """Delete an RRset, or all of a name; never the SOA and NS RRsets of the apex."""
    for rdataset in zones.rdatasets_at(_writable(txn), name):
        protected = at_apex and rdataset.rdtype in APEX_TYPES
        if rdtype in (rdataset.rdtype, ANY) and not protected:
            txn.delete(name, rdataset.rdtype, rdataset.covers)


def _delete_rrs(
    txn: dns.zone.Transaction,
    name: dns.name.Name,
    rdatas: list[dns.rdata.Rdata],
    *,
    at_apex: bool,
) -> None:
    """Delete RRs by value; never the SOA, nor the last NS RR of the apex."""
    first = rdatas[0]
    if first.rdtype == dns.rdatatype.SOA:
        return
    if not (at_apex and first.rdtype == dns.rdatatype.NS):
        txn.delete(name, dns.rdataset.from_rdata_list(0, rdatas))
        return
    for rdata in rdatas:
        if len(txn.get(name, first.rdtype) or ()) > 1:
            txn.delete(name, rdata)


def _difference(
    before: dns.zone.Version, after: dns.zone.Version, names: Iterable[dns.name.Name]
) -> Difference:
    """Return the RRs at these names that are gone and that are new."""
    deletes: list[Record] = []
    adds: list[Record] = []
    for name in names:
        old = zones.rdatasets_at(before, name)
        new = zones.rdatasets_at(after, name)
        deletes += _missing(name, old, new)
        adds += _missing(name, new, old)
    return Difference(tuple(deletes), tuple(adds))


def _missing(
    name: dns.name.Name,
    here: list[dns.rdataset.Rdataset],
    there: list[dns.rdataset.Rdataset],
) -> Iterator[Record]:
    """Yield the RRs that are here and not there; untouched RRsets cost nothing."""
    untouched = {id(rdataset) for rdataset in there}
    kept = set(zones.records_of(name, there))
    for record in zones.records_of(
        name, (rdataset for rdataset in here if id(rdataset) not in untouched)
    ):
        if record not in kept:
            yield record


def _soa(txn: dns.zone.Transaction, origin: dns.name.Name) -> zones.SOA:
    """Return the SOA as the transaction has it now."""
    rdataset = txn.get(origin, dns.rdatatype.SOA)
    assert rdataset is not None
    return cast(zones.SOA, rdataset[0])


def _writable(txn: dns.zone.Transaction) -> dns.zone.Version:
    """Return the version that the transaction is making."""
    assert txn.version is not None
    return txn.version
