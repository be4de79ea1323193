"""Rules about one RRset: a name, a type, a TTL and all the records."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from dns_records.rdata import Rdata
from dns_records.record_types import RecordType
from dns_records.validation.base import (
    MAX_TTL,
    Context,
    Family,
    Problem,
    error,
    warning,
)


@dataclass(frozen=True)
class RRset:
    """The subject of an RRset rule; the name is canonical, the TTL in seconds.

    ``ttl_before`` is the TTL before the change, None for a new RRset.
    """

    name: str
    type: RecordType
    ttl: int
    rdatas: Sequence[Rdata]
    ttl_before: int | None = None

    def __str__(self) -> str:
        return f"{self.name} {self.type.name}"


FAMILY: Family[RRset] = Family("rrset")

# Type, class, TTL and length of rdata before each rdata (RFC 1035 section 3.2.1).
_FIXED_OCTETS = 10
_UDP_ANSWER = 1400
_SPF = ('"v=spf1 ', '"v=spf1"')


@FAMILY.rule("ttl-range", "RFC 2181 section 8")
def ttl_range(context: Context, rrset: RRset) -> Iterator[Problem]:
    """The TTL is within 0 and 2^31-1 (RFC 2181 section 8) and the zone's limits.

    One that stays as it was is let be: the limits may be younger.
    """
    if rrset.ttl == rrset.ttl_before:
        return
    low, high = max(context.min_ttl, 0), min(context.max_ttl, MAX_TTL)
    if not low <= rrset.ttl <= high:
        yield error(
            "ttl_out_of_range",
            f"The TTL {rrset.ttl} of {rrset} is not from {low} to {high} seconds.",
        )


@FAMILY.rule("record-count", "BIND 9 ARM, max-records-per-type")
def record_count(context: Context, rrset: RRset) -> Iterator[Problem]:
    """An RRset has at most as many records as the name servers take."""
    if len(rrset.rdatas) > context.max_records:
        yield error(
            "too_many_records",
            f"{rrset} would have {len(rrset.rdatas)} records; at most"
            f" {context.max_records} are allowed.",
        )


@FAMILY.rule("rrset-size", "RFC 1035 section 4.2.2")
def rrset_size(context: Context, rrset: RRset) -> Iterator[Problem]:
    """An RRset fits into one message with room to spare (RFC 1035 section 4.2.2)."""
    # An owner name is never longer on the wire than its text and one octet.
    before = len(rrset.name) + 1 + _FIXED_OCTETS
    octets = sum(before + rdata.wire_length for rdata in rrset.rdatas)
    if octets > context.max_octets:
        yield error(
            "rrset_too_large",
            f"{rrset} would have {octets} octets on the wire; at most"
            f" {context.max_octets} are allowed.",
        )


@FAMILY.rule("singleton", "RFC 2181 section 10.1")
def singleton(context: Context, rrset: RRset) -> Iterator[Problem]:
    """A type that allows one record has one: CNAME, DNAME (RFC 2181 section 10.1)."""
    if rrset.type.singleton and len(rrset.rdatas) > 1:
        yield error(
            "singleton_rrset",
            f"{rrset} would have {len(rrset.rdatas)} records; a name has at most one"
            f" {rrset.type.name} record.",
        )


@FAMILY.rule("duplicate-record", "RFC 2181 section 5")
def duplicate_record(context: Context, rrset: RRset) -> Iterator[Problem]:
    """No two records of an RRset have the same rdata (RFC 2181 section 5)."""
    seen: set[bytes] = set()
    for rdata in rrset.rdatas:
        if rdata.wire in seen:
            yield error("duplicate_record", f"{rrset} lists {rdata.text} twice.")
        seen.add(rdata.wire)


@FAMILY.rule("null-target-alone", "RFC 7505 section 3")
def null_target_alone(context: Context, rrset: RRset) -> Iterator[Problem]:
    """A record that says "there is none" stands alone (RFC 7505, RFC 2782)."""
    if not rrset.type.null_target or len(rrset.rdatas) < 2:
        return
    if any(rdata.names == (".",) for rdata in rrset.rdatas):
        yield error(
            f"null_{rrset.type.name.lower()}_not_alone",
            f"{rrset} has a record with the target '.' (there is none) beside others.",
        )


@FAMILY.rule("two-name-servers", "RFC 1034 section 4.1")
def two_name_servers(context: Context, rrset: RRset) -> Iterator[Problem]:
    """A zone has at least two name servers (RFC 1034 section 4.1, RFC 2182)."""
    if rrset.type.name == "NS" and len(rrset.rdatas) == 1:
        yield warning(
            "one_name_server", f"{rrset} names one name server; two are the least."
        )


@FAMILY.rule("txt-total", "RFC 9715 section 3.1")
def txt_total(context: Context, rrset: RRset) -> Iterator[Problem]:
    """The TXT records of a name fit into one UDP answer of 1,400 octets (RFC 9715)."""
    octets = sum(rdata.wire_length for rdata in rrset.rdatas)
    if rrset.type.name == "TXT" and octets > _UDP_ANSWER:
        yield warning(
            "txt_total",
            f"{rrset} has {octets} octets of text; answers above {_UDP_ANSWER} need"
            " TCP, which some receivers do not try.",
        )


@FAMILY.rule("one-spf", "RFC 7208 section 3.2")
def one_spf(context: Context, rrset: RRset) -> Iterator[Problem]:
    """A name has at most one SPF policy among its TXT records (RFC 7208)."""
    if rrset.type.name == "TXT":
        policies = sum(rdata.text.lower().startswith(_SPF) for rdata in rrset.rdatas)
        if policies > 1:
            yield warning(
                "several_spf",
                f"{rrset} has {policies} SPF policies; receivers take that for none.",
            )
