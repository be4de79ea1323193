"""Which record types dnsorch takes: one row a type, with what the rules must know.

A type is added by a row here. dnspython reads and writes its rdata; the columns say
where it may stand, which of its fields are names, and how to explain a right value.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from dnsorch.exceptions import Invalid


class UnsupportedType(Invalid):
    """dnsorch does not take records of this type."""

    code = "unsupported_type"


@dataclass(frozen=True, kw_only=True)
class RecordType:
    """What the rules know about one record type.

    ``number`` is its code (IANA), ``reason`` why one publishes it, ``reference`` where
    it is defined; ``expected`` and ``example`` show a right value in an error.
    ``hosts`` and ``domains`` are the fields of dnspython's rdata class that hold the
    name of a host, or any name; ``null_target`` allows the root there ("there is
    none"). ``strings`` marks rdata made of character strings, as TXT is.
    """

    name: str
    number: int
    reason: str
    reference: str
    expected: str
    example: str
    singleton: bool = False  # at most one record in the RRset
    at_apex: bool = True
    below_apex: bool = True
    wildcard: bool = True  # the owner name may be a wildcard
    exclusive: bool = False  # no other type at the same name
    at_delegation: bool = False  # answered from this zone where NS delegates the name
    host_owner: bool = False  # the owner is a host, so its name should be a host name
    hosts: tuple[str, ...] = ()
    domains: tuple[str, ...] = ()
    null_target: bool = False
    strings: bool = False

    @property
    def names(self) -> tuple[str, ...]:
        """The rdata fields that hold a domain name of any kind."""
        return self.hosts + self.domains


_ROWS = (
    RecordType(
        name="A",
        number=1,
        reason="the IPv4 address of a host",
        reference="RFC 1035 section 3.4.1",
        expected="an IPv4 address, four decimal numbers without leading zeros",
        example="192.0.2.10",
        host_owner=True,
    ),
    RecordType(
        name="AAAA",
        number=28,
        reason="the IPv6 address of a host",
        reference="RFC 3596 section 2.2",
        expected="an IPv6 address",
        example="2001:db8::10",
        host_owner=True,
    ),
    RecordType(
        name="CAA",
        number=257,
        reason="the authorities that may issue certificates for the name",
        reference="RFC 8659 section 4.1",
        expected="flags from 0 to 255, a tag and a quoted value",
        example='0 issue "ca.example.net"',
    ),
    RecordType(
        name="CNAME",
        number=5,
        reason="an alias for another name",
        reference="RFC 1035 section 3.3.1",
        expected="one name that ends in a dot",
        example="www.example.test.",
        singleton=True,
        at_apex=False,  # SOA and NS are there (RFC 1034 section 3.6.2)
        exclusive=True,
        domains=("target",),
    ),
    RecordType(
        name="MX",
        number=15,
        reason="the hosts that take mail for the name",
        reference="RFC 1035 section 3.3.9",
        expected="a preference from 0 to 65535 and a host name that ends in a dot",
        example="10 mail.example.test.",
        host_owner=True,
        hosts=("exchange",),
        null_target=True,
    ),
    RecordType(
        name="NS",
        number=2,
        reason="the name servers of the zone, or of a zone delegated from it",
        reference="RFC 1035 section 3.3.11",
        expected="one host name that ends in a dot",
        example="ns1.example.test.",
        wildcard=False,  # BIND ignores them there without saying so
        at_delegation=True,
        hosts=("target",),
    ),
    RecordType(
        name="PTR",
        number=12,
        reason="the name of an address, or the instances of a service",
        reference="RFC 1035 section 3.3.12",
        expected="one name that ends in a dot",
        example="host.example.test.",
        domains=("target",),
    ),
    RecordType(
        name="SRV",
        number=33,
        reason="the hosts and ports of a service",
        reference="RFC 2782",
        expected="priority, weight and port, each from 0 to 65535, and a host name"
        " that ends in a dot",
        example="10 5 5060 sip.example.test.",
        hosts=("target",),
        null_target=True,
    ),
    RecordType(
        name="TXT",
        number=16,
        reason="text: SPF, DKIM, domain verification, ACME challenges",
        reference="RFC 1035 section 3.3.14",
        expected="one bare text, or one or more strings in double quotes",
        example='"v=spf1 -all"',
        strings=True,
    ),
)

#: The supported types by name.
RECORD_TYPES: Mapping[str, RecordType] = MappingProxyType(
    {row.name: row for row in _ROWS}
)

_SIGNER = "the signer of the zone writes it, not a client"
_QUESTION = "it is a question or a transfer, never a record in a zone"
_TRANSPORT = "it belongs to one message and is never stored"
_OBSOLETE = "it is obsolete"

#: Types that are refused on purpose, each with the reason.
REFUSED_TYPES: Mapping[str, str] = MappingProxyType(
    {
        "SOA": "the name server keeps it and counts its serial",
        "DNSKEY": _SIGNER,
        "NSEC": _SIGNER,
        "NSEC3": _SIGNER,
        "NSEC3PARAM": _SIGNER,
        "RRSIG": _SIGNER,
        "ANY": _QUESTION,
        "AXFR": _QUESTION,
        "IXFR": _QUESTION,
        "MAILA": _QUESTION,
        "MAILB": _QUESTION,
        "OPT": _TRANSPORT,
        "TKEY": _TRANSPORT,
        "TSIG": _TRANSPORT,
        "A6": f"{_OBSOLETE} (RFC 6563); use AAAA",
        "MD": f"{_OBSOLETE} (RFC 973); use MX",
        "MF": f"{_OBSOLETE} (RFC 973); use MX",
        "NXT": f"{_OBSOLETE} (RFC 3755)",
        "SIG": f"{_OBSOLETE} in zones (RFC 3755)",
        "SPF": f"{_OBSOLETE} (RFC 7208 section 3.1); use TXT",
        "NULL": "it is experimental and not allowed in zone files (RFC 1035 3.3.10)",
        "ALIAS": "it is no DNS type but a feature of one name server",
        "ANAME": "it is no DNS type but a feature of one name server",
        "LUA": "it makes the name server run code",
    }
)


def lookup(text: str) -> RecordType:
    """Return the type named ``text``, in any case; raise :class:`UnsupportedType`."""
    name = text.upper() if text.isascii() else ""  # "ſrv".upper() is "SRV"
    if found := RECORD_TYPES.get(name):
        return found
    if reason := REFUSED_TYPES.get(name):
        raise UnsupportedType(f"Records of type {name} are refused: {reason}.")
    shown = text if len(text) <= 20 else text[:19] + "…"
    raise UnsupportedType(
        f"{shown!r} is not a supported record type; supported are"
        f" {', '.join(sorted(RECORD_TYPES))}."
    )
