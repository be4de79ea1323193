"""Answers to queries from one version of a zone (RFC 1034 section 4.3.2)."""

from __future__ import annotations

from typing import cast

import dns.flags
import dns.message
import dns.name
import dns.rcode
import dns.rdataset
import dns.rdatatype
import dns.rdtypes.nsbase
import dns.rrset

from dnsorch.embedded.nameserver import zone as zones

WILDCARD = dns.name.Name([b"*"])


def answer(
    version: zones.Version,
    qname: dns.name.Name,
    qtype: dns.rdatatype.RdataType,
    response: dns.message.Message,
) -> None:
    """Fill the response to a query for a name at or below the version's apex.

    CNAMEs are followed as long as they stay in the zone. Nothing is looked for by
    scanning: a lookup costs the logarithm of the zone's size.
    """
    assert version.origin is not None
    seen: set[dns.name.Name] = set()
    while qname not in seen and qname.is_subdomain(version.origin):
        seen.add(qname)
        cut, below = version.delegations.get_delegation(qname)
        if cut is not None and (below or qtype != dns.rdatatype.DS):
            _refer(version, cut, response)
            return
        response.flags |= dns.flags.AA
        rdatasets = _match(version, qname)
        if rdatasets is None:
            response.set_rcode(dns.rcode.NXDOMAIN)
            _deny(version, response)
            return
        target = _fill(qname, qtype, rdatasets, response)
        if target is None:
            if not any(rrset.name == qname for rrset in response.answer):
                _deny(version, response)
            return
        qname = target


def _match(
    version: zones.Version, qname: dns.name.Name
) -> list[dns.rdataset.Rdataset] | None:
    """Return the RRsets that answer for a name, or ``None`` if it does not exist.

    The name itself, or the wildcard below its closest encloser (RFC 4592 section
    3.3.1). An empty non-terminal exists and has no RRsets.
    """
    if rdatasets := zones.rdatasets_at(version, qname):
        return rdatasets
    encloser = version.bounds(qname).closest_encloser
    if encloser == qname:
        return []
    return zones.rdatasets_at(version, WILDCARD + encloser) or None


def _fill(
    qname: dns.name.Name,
    qtype: dns.rdatatype.RdataType,
    rdatasets: list[dns.rdataset.Rdataset],
    response: dns.message.Message,
) -> dns.name.Name | None:
    """Add what matches to the answer; return the target of a CNAME to follow."""
    for rdataset in rdatasets:
        if qtype in (rdataset.rdtype, dns.rdatatype.ANY):
            response.answer.append(_rrset(qname, rdataset))
        elif rdataset.rdtype == dns.rdatatype.CNAME:
            response.answer.append(_rrset(qname, rdataset))
            return _target(rdataset[0])
    return None


def _refer(
    version: zones.Version, cut: dns.name.Name, response: dns.message.Message
) -> None:
    """Add the delegation and its glue."""
    for rdataset in zones.rdatasets_at(version, cut):
        if rdataset.rdtype != dns.rdatatype.NS:
            continue
        response.authority.append(_rrset(cut, rdataset))
        for rdata in rdataset:
            _add_addresses(version, _target(rdata), response)


def _add_addresses(
    version: zones.Version, name: dns.name.Name, response: dns.message.Message
) -> None:
    """Add the addresses of a name server to the additional section."""
    assert version.origin is not None
    if not name.is_subdomain(version.origin):
        return
    for rdataset in zones.rdatasets_at(version, name):
        if rdataset.rdtype in (dns.rdatatype.A, dns.rdatatype.AAAA):
            response.additional.append(_rrset(name, rdataset))


def _deny(version: zones.Version, response: dns.message.Message) -> None:
    """Add the SOA that says how long "no" holds (RFC 2308 section 3)."""
    assert version.origin is not None
    soa = _rrset(version.origin, zones.soa_of(version))
    soa.ttl = min(soa.ttl, cast(zones.SOA, soa[0]).minimum)
    response.authority.append(soa)


def _target(rdata: object) -> dns.name.Name:
    """Return the name that an NS or CNAME rdata points to."""
    return cast(dns.rdtypes.nsbase.NSBase, rdata).target


def _rrset(name: dns.name.Name, rdataset: dns.rdataset.Rdataset) -> dns.rrset.RRset:
    """Return the RRset under this owner name (of a wildcard: the name asked for)."""
    return dns.rrset.from_rdata_list(name, rdataset.ttl, list(rdataset))
