"""Which of the known types are refused, each with a reason.

The supported set is what is left: all that dnspython knows, less these sets.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

import dns.rdatatype

#: The names of all types that dnspython knows.
KNOWN = frozenset(member.name.replace("_", "-") for member in dns.rdatatype.RdataType)

_SIGNER = "the signer of the zone writes it, not a client"
_QUESTION = "it is a question or a transfer, never a record in a zone"
_TRANSPORT = "it belongs to one message and is never stored"
_OBSOLETE = "it is obsolete"
_EXPERIMENT = "it was an experiment and is of no use today"
_NO_TYPE = "it is no DNS type but a feature of one name server"
_NO_NAME = "the name servers in use (BIND 9.18, PowerDNS 4.7) do not know it by name"
_NO_RFC = "no RFC defines it"
_VARYING = "dnsorch has no rules for a rdata whose target is an address, a name or none"

_GROUPS: tuple[tuple[str, frozenset[str]], ...] = (
    ("the name server keeps it and counts its serial", frozenset({"SOA"})),
    (_SIGNER, frozenset({"RRSIG", "NSEC", "NSEC3", "NSEC3PARAM"})),
    (_QUESTION, frozenset({"ANY", "AXFR", "IXFR", "MAILA", "MAILB"})),
    (_TRANSPORT, frozenset({"OPT", "TKEY", "TSIG"})),
    ("it only marks an answer of compact denial (RFC 9824)", frozenset({"NXNAME"})),
    ("its number is reserved (RFC 6895 section 3.1)", frozenset({"TYPE0", "UNSPEC"})),
    (f"{_OBSOLETE} (RFC 6563); use AAAA", frozenset({"A6"})),
    (f"{_OBSOLETE} (RFC 973); use MX", frozenset({"MD", "MF"})),
    (f"{_OBSOLETE} (RFC 3755)", frozenset({"NXT"})),
    (f"{_OBSOLETE} in zones (RFC 3755)", frozenset({"SIG"})),
    (f"{_OBSOLETE} in zones (RFC 3445, RFC 3755); use DNSKEY", frozenset({"KEY"})),
    (f"{_OBSOLETE} (RFC 1123 section 2.2)", frozenset({"WKS"})),
    (f"{_OBSOLETE} (RFC 8749)", frozenset({"DLV"})),
    (f"{_OBSOLETE}; use LOC", frozenset({"GPOS"})),
    (
        f"{_OBSOLETE} (RFC 1183, RFC 1706, RFC 2163: networks that are gone)",
        frozenset({"X25", "ISDN", "RT", "NSAP", "NSAP-PTR", "PX"}),
    ),
    (
        f"{_EXPERIMENT} (RFC 1035 section 3.3)",
        frozenset({"MB", "MG", "MR", "MINFO"}),
    ),
    (
        "it is experimental and not allowed in zone files (RFC 1035 3.3.10)",
        frozenset({"NULL"}),
    ),
    (_NO_RFC, frozenset({"NINFO", "AVC", "TA", "WALLET"})),
    (_NO_NAME, frozenset({"DSYNC", "HHIT", "BRID", "RESINFO"})),
    (_VARYING, frozenset({"AMTRELAY", "HIP", "IPSECKEY"})),
    (_NO_TYPE, frozenset({"ALIAS", "ANAME"})),
    ("it makes the name server run code", frozenset({"LUA"})),
)

#: Types that are refused on purpose, each with the reason.
REFUSED_TYPES: Mapping[str, str] = MappingProxyType(
    {name: reason for reason, names in _GROUPS for name in sorted(names)}
)

#: The supported types: what is known and not refused.
SUPPORTED = KNOWN - REFUSED_TYPES.keys()
