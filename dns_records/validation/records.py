"""Rules about one record: its owner name, type and rdata."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import dns.name
from dns.rdtypes.ANY.CAA import CAA
from dns.rdtypes.ANY.MX import MX
from dns.rdtypes.svcbbase import IPv4HintParam, IPv6HintParam, ParamKey, SVCBBase

from dns_records import names
from dns_records.rdata import Rdata
from dns_records.record_types import RecordType
from dns_records.validation.addresses import unreachable
from dns_records.validation.base import Context, Family, Problem, error, warning


@dataclass(frozen=True)
class Record:
    """The subject of a record rule; the name is canonical."""

    name: str
    type: RecordType
    rdata: Rdata


FAMILY: Family[Record] = Family("record")

# The owners that BIND's check-names looks at, as an update may bring them.
_BIND_CHECKS = frozenset({"A", "AAAA", "MX"})
_REVERSE = ("in-addr.arpa.", "ip6.arpa.")
_DOTTED_QUAD = re.compile(r"([0-9]{1,3}\.){4}")
# RFC 8659 section 4.1, RFC 9495, and the CA/Browser Forum's in IANA's registry.
_CAA_TAGS = frozenset(
    {"issue", "issuewild", "iodef", "issuemail", "issuevmc"}
    | {"contactemail", "contactphone"}
)
_CAA_CRITICAL = 128


def _is_reverse(name: str) -> bool:
    return any(names.is_in_zone(name, tree) for tree in _REVERSE)


@FAMILY.rule("owner-host", "RFC 1123 section 2.1")
def owner_host(context: Context, record: Record) -> Iterator[Problem]:
    """The owner of A, AAAA, MX, SSHFP and DHCID records is a host name (RFC 1123).

    An error where the server refuses A, AAAA and MX of other names, as BIND does by
    default (``check-names``), with its exception for Active Directory; else a warning.
    """
    if not record.type.host_owner or names.is_host(record.name.removeprefix("*.")):
        return
    rtype = record.type.name
    by_bind = rtype in _BIND_CHECKS and not (
        rtype != "MX" and record.name.startswith("gc._msdcs.")
    )
    if by_bind and context.checks_names:
        yield error(
            "owner_not_host",
            f"{record.name} is not a host name, and the name server refuses {rtype}"
            " records of such names (check-names).",
        )
        return
    refused = f", and BIND refuses {rtype} records of such names by default"
    yield warning(
        "owner_not_host",
        f"{record.name} is not a host name"
        f"{refused if by_bind else ', and ' + rtype + ' is of hosts'}.",
    )


@FAMILY.rule("a-label", "RFC 5890 section 2.3.2.1")
def a_label(context: Context, record: Record) -> Iterator[Problem]:
    """Labels that start with ``xn--`` are valid A-labels (RFC 5890, IDNA 2008)."""
    for label in names.bad_a_labels(record.name):
        yield warning("bad_a_label", f"The label '{label}' is not a valid A-label.")


@FAMILY.rule("host-target", "RFC 1123 section 2.1")
def host_target(context: Context, record: Record) -> Iterator[Problem]:
    """NS, MX, SRV, KX and AFSDB point to host names (RFC 952, RFC 1123, RFC 2181)."""
    for field in record.type.hosts:
        target = getattr(record.rdata.value, field).to_text()
        if target == "." and record.type.null_target:
            continue
        if not names.is_host(target):
            yield error(
                "target_not_host",
                f"The target '{target}' is not a host name: letters, digits and inner"
                " hyphens between dots.",
            )


@FAMILY.rule("reverse-target", "RFC 1035 section 3.5")
def reverse_target(context: Context, record: Record) -> Iterator[Problem]:
    """A PTR in a reverse zone points to a host name (RFC 1035 section 3.5)."""
    if record.type.name != "PTR" or not _is_reverse(record.name):
        return
    for target in record.rdata.names:
        if not names.is_host(target):
            yield warning(
                "target_not_host",
                f"The target '{target}' of an address is not a host name.",
            )


@FAMILY.rule("target-address", "RFC 1035 section 3.3")
def target_address(context: Context, record: Record) -> Iterator[Problem]:
    """A target is a name, not an IPv4 address with a dot behind it (RFC 1035)."""
    for target in record.rdata.names:
        if _DOTTED_QUAD.fullmatch(target):
            yield warning(
                "target_is_address",
                f"The target '{target}' looks like an IP address; it is a name.",
            )


@FAMILY.rule("alias-loop", "RFC 1034 section 3.6.2")
def alias_loop(context: Context, record: Record) -> Iterator[Problem]:
    """A CNAME does not point to its own owner name (RFC 1034 section 3.6.2)."""
    if record.type.exclusive and record.name in record.rdata.names:
        yield error("target_is_owner", f"{record.name} would be an alias for itself.")


@FAMILY.rule("null-mx-preference", "RFC 7505 section 3")
def null_mx_preference(context: Context, record: Record) -> Iterator[Problem]:
    """A null MX has preference 0 (RFC 7505 section 3)."""
    mx = record.rdata.value
    if isinstance(mx, MX) and mx.exchange == dns.name.root and mx.preference != 0:
        yield error(
            "null_mx_preference",
            "An MX with the target '.' (no mail) has preference 0: write '0 .'.",
        )


@FAMILY.rule("srv-owner", "RFC 2782")
def srv_owner(context: Context, record: Record) -> Iterator[Problem]:
    """The owner of an SRV record starts with ``_service._protocol`` (RFC 2782)."""
    if record.type.name != "SRV":
        return
    labels = record.name.removeprefix("*.").split(".")
    if not all(label.startswith("_") for label in labels[:2]):
        yield warning(
            "srv_owner",
            f"{record.name} does not start with '_service._protocol', so no client"
            " asks for its SRV record.",
        )


@FAMILY.rule("address-scope", "RFC 6890")
def address_scope(context: Context, record: Record) -> Iterator[Problem]:
    """An address can be reached from another host (RFC 6890)."""
    for address in _addresses(record):
        if reason := unreachable(address):
            yield warning("address_scope", f"{address} is {reason}.")


def _addresses(record: Record) -> Sequence[str]:
    """Return the addresses that a record sends its reader to."""
    value = record.rdata.value
    if record.type.name in ("A", "AAAA"):
        return (record.rdata.text,)
    if not isinstance(value, SVCBBase):
        return ()
    hints = (value.params.get(ParamKey.IPV4HINT), value.params.get(ParamKey.IPV6HINT))
    return [
        address
        for hint in hints
        if isinstance(hint, IPv4HintParam | IPv6HintParam)
        for address in hint.addresses
    ]


@FAMILY.rule("caa-tag", "RFC 8659 section 4.1")
def caa_tag(context: Context, record: Record) -> Iterator[Problem]:
    """The tag of a CAA record is one that IANA lists (RFC 8659 section 4.1)."""
    caa = record.rdata.value
    if not isinstance(caa, CAA):
        return
    tag = caa.tag.decode("ascii")
    if tag not in _CAA_TAGS:
        known = ", ".join(sorted(_CAA_TAGS))
        yield warning("caa_tag", f"'{tag}' is not a known CAA tag; known are {known}.")


@FAMILY.rule("caa-flags", "RFC 8659 section 4.1")
def caa_flags(context: Context, record: Record) -> Iterator[Problem]:
    """The flags of a CAA record are 0, or 128 for critical (RFC 8659 section 4.1)."""
    caa = record.rdata.value
    if isinstance(caa, CAA) and caa.flags not in (0, _CAA_CRITICAL):
        yield warning(
            "caa_flags",
            f"The flags {caa.flags} set bits that are reserved; 0 and"
            f" {_CAA_CRITICAL} (critical) have a meaning.",
        )
