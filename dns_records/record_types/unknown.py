"""Types without a name, written ``TYPEnnn`` with opaque rdata (RFC 3597)."""

from __future__ import annotations

import re
from functools import lru_cache

import dns.rdatatype

from dns_records.record_types.base import RecordType, UnsupportedType

_WRITTEN = re.compile(r"TYPE(0|[1-9][0-9]{0,4})", re.ASCII)
_META = range(128, 256)  # RFC 6895 section 3.1
_RESERVED = frozenset({0, 65_535})
# BIND keeps the state of its signing there (sig-signing-type).
_OF_BIND = 65_534
# IANA gave them a name, which dnspython does not know; servers check their rdata.
_NAMED = {
    31: "EID",
    32: "NIMLOC",
    34: "ATMA",
    40: "SINK",
    57: "RKEY",
    58: "TALINK",
    100: "UINFO",
    101: "UID",
    102: "GID",
    259: "DOA",
    263: "CLA",
    264: "IPN",
}


def is_written(name: str) -> bool:
    """Say whether ``name``, in upper case, has the form ``TYPEnnn``."""
    return _WRITTEN.fullmatch(name) is not None


@lru_cache(maxsize=256)
def row(name: str) -> RecordType:
    """Return the row of ``TYPEnnn``.

    Raises:
        UnsupportedType: the number has a name, or is no type of data.
    """
    number = int(name.removeprefix("TYPE"))
    if reason := _refusal(number):
        raise UnsupportedType(f"Records of type {name} are refused: {reason}.")
    return RecordType(
        name=name,
        number=number,
        reason="a type that has no name yet, or a private one",
        reference="RFC 3597",
        expected=r"\#, the number of octets, and as many octets in hex",
        example=r"\# 4 c0000201",
        binary="hex",
        generic=True,
    )


def _refusal(number: int) -> str | None:
    if number > 65_535:
        return "a type is a number up to 65535"
    if number in _RESERVED:
        return "the number is reserved (RFC 6895 section 3.1)"
    known = dns.rdatatype.to_text(dns.rdatatype.RdataType.make(number))
    if known != f"TYPE{number}":
        return f"the number has the name {known}"
    if number in _META:
        return "it is a question or a part of one message (RFC 6895 section 3.1)"
    if number in _NAMED:
        return f"the number has the name {_NAMED[number]}, which is not supported"
    if number == _OF_BIND:
        return "BIND keeps the state of its signing there"
    return None
