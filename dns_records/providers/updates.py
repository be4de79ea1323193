"""Building UPDATE messages (RFC 2136). Pure: no network, no clock, no keys.

Each RRset stands once in an update section: its delete, then its adds. Servers differ
in how they order the rest (PowerDNS runs all deletes first), so nothing else is safe.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from functools import lru_cache

import dns.exception
import dns.name
import dns.rdata
import dns.rdataclass
import dns.rdatatype
import dns.rdtypes.ANY.TXT
import dns.update

from dns_records.providers.base import Fence, RRsetChange, marker_name
from dns_records.providers.errors import PermanentRefusal
from dns_records.rdata import from_dnspython
from dns_records.strictness import rounded
from dnsorch.exceptions import Invalid

MARKER_TTL = 0
PERMISSION_TEXT = "dnsorch permission check"

# Octets: header (RFC 1035 4.1.1), type and class of a question, the fixed part of an
# RR, a compression pointer.
HEADER, QUESTION, RR, POINTER = 12, 4, 10, 2
# A signature by SHA-512 with the longest names (RFC 8945 section 4.2): owner name, RR,
# algorithm name, times and lengths, MAC, other data.
SIGNATURE = 255 + RR + 17 + 16 + 64 + 6
# The marker's prerequisite, delete and add, its text at its longest.
STEP = 3 * (len("_dnsorch.") + POINTER + RR) + 2 * 256
# Rdata of one address.
LEAST = 16
# Types with lists in their rdata, and the octets that a character may stand for.
DENSE = frozenset({"APL", "CSYNC", "HTTPS", "SVCB"})
DENSITY = 6
# Old NS RRs of an apex, each deleted by itself: room for 64 of 128 octets.
APEX_NS = 64 * (POINTER + RR + 128)


@lru_cache(maxsize=16_384)
def rdata(rtype: str, text: str) -> dns.rdata.Rdata:
    """Return the rdata of a type in presentation form; its names are absolute.

    Raises:
        PermanentRefusal: it is not rdata of that type.
    """
    try:
        return rounded(dns.rdata.from_text("IN", rtype, text, relativize=False))
    except (dns.exception.DNSException, ValueError) as error:
        raise PermanentRefusal(f"not rdata of type {rtype}: {error}") from error


def canonical(rtype: str, texts: Iterable[str]) -> tuple[str, ...]:
    """Return rdata that others wrote in canonical form, or as it is if it has none."""
    found = []
    for text in texts:
        try:
            found.append(from_dnspython(rdata(rtype, text)).text)
        except (PermanentRefusal, Invalid):
            found.append(text)
    return tuple(sorted(found))


def marker_rdata(text: str) -> dns.rdata.Rdata:
    """Return the TXT rdata of a marker: one string of ASCII.

    Raises:
        ValueError: longer than 255 octets, or not ASCII.
    """
    octets = text.encode("ascii")
    if len(octets) > 255:
        raise ValueError("a marker is at most 255 octets")
    return dns.rdtypes.ANY.TXT.TXT(dns.rdataclass.IN, dns.rdatatype.TXT, [octets])


def new(zone: str) -> dns.update.UpdateMessage:
    """Return an UPDATE of ``zone`` with empty sections."""
    return dns.update.UpdateMessage(dns.name.from_text(zone))


def require_and_set_marker(
    message: dns.update.UpdateMessage, zone: str, fence: Fence
) -> None:
    """Require the marker as it was, and put the next one in its place."""
    name = dns.name.from_text(marker_name(zone))
    if fence.previous is None:
        message.absent(name)
    else:
        message.present(name, marker_rdata(fence.previous))
    message.delete(name, dns.rdatatype.TXT)
    message.add(name, MARKER_TTL, marker_rdata(fence.next))


def write(
    message: dns.update.UpdateMessage,
    changes: Iterable[RRsetChange],
    apex_ns: Collection[dns.rdata.Rdata] = (),
) -> None:
    """Put changes into the update section, in their order.

    ``apex_ns`` are the NS RRs that the apex has now: a server ignores a delete of
    that RRset (RFC 2136 section 3.4.2.3), so the new RRs are added first and the old
    ones deleted one by one, which never leaves it with none.
    """
    for change in changes:
        name = dns.name.from_text(change.name)
        new_rdata = [rdata(change.type, text) for text in change.records]
        if change.type == "NS" and name == message.origin and new_rdata:
            message.add(name, change.ttl, *new_rdata)
            stale = sorted(set(apex_ns) - set(new_rdata))
            if stale:
                message.delete(name, *stale)
            continue
        message.delete(name, change.type)
        if new_rdata:
            message.add(name, change.ttl, *new_rdata)


def require(message: dns.update.UpdateMessage, images: Iterable[RRsetChange]) -> None:
    """Require each image: these RRs, or no RRset (RFC 2136 2.4.2 and 2.4.3)."""
    for image in images:
        name = dns.name.from_text(image.name)
        if image.records:
            message.present(name, *(rdata(image.type, r) for r in image.records))
        else:
            message.absent(name, image.type)


def delete_what_is_not_there(message: dns.update.UpdateMessage, zone: str) -> None:
    """Delete a TXT RR that no marker ever is: allowed or refused, but no change."""
    message.delete(dns.name.from_text(marker_name(zone)), marker_rdata(PERMISSION_TEXT))


def octets(zone: str, changes: Sequence[RRsetChange]) -> int:
    """Return an upper bound of the octets of an UPDATE with fence and signature.

    A name of the zone takes at most its own labels and a pointer to the zone's name,
    which is in every message at octet 12. Rdata takes no more octets than its text
    has characters, with two more for a leading number and 16 for an address; lists of
    addresses and of types are denser (``::`` has 16 octets, TYPE65279 up to 34).
    """
    total = HEADER + len(zone) + 1 + QUESTION + SIGNATURE + STEP
    for change in changes:
        fixed = len(change.name) - len(zone) + POINTER + RR
        total += fixed
        for text in change.records:
            dense = DENSITY if change.type in DENSE else 1
            total += fixed + max(dense * len(text) + 2, LEAST)
        if change.type == "NS" and change.name == zone:
            total += APEX_NS
    return total
