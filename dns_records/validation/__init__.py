"""What a record, an RRset and a name may be, beyond the syntax of names and rdata.

Pure rules in three families, each small and with a stable id; none rewrites a value.
Callers decide what to do with a finding; ``validators()`` lists all of them for the
documentation.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence

from dns_records import record_types
from dns_records.rdata import Rdata
from dns_records.validation import fields  # noqa: F401 (registers its rules)
from dns_records.validation import nodes, records, rrsets
from dns_records.validation.base import AnyValidator, Context, Finding

__all__ = [
    "Context",
    "Finding",
    "check_node",
    "check_record",
    "check_rrset",
    "validators",
]


def check_record(
    context: Context, name: str, rtype: str, rdata: Rdata
) -> list[Finding]:
    """Return what the rules say about one record at the canonical ``name``."""
    subject = records.Record(name, record_types.lookup(rtype), rdata)
    return records.FAMILY.findings(context, subject)


def check_rrset(
    context: Context, name: str, rtype: str, ttl: int, rdatas: Sequence[Rdata]
) -> list[Finding]:
    """Return what the rules say about an RRset; one without records is absent."""
    if not rdatas:
        return []
    subject = rrsets.RRset(name, record_types.lookup(rtype), ttl, rdatas)
    return rrsets.FAMILY.findings(context, subject)


def check_node(
    context: Context, name: str, types: Collection[str], before: Collection[str]
) -> list[Finding]:
    """Return what the rules say about the types at a name after and before a change.

    All types of the name count, also those that the change does not touch.
    """
    subject = nodes.Node(
        name,
        tuple(record_types.lookup(rtype) for rtype in sorted(types)),
        tuple(record_types.lookup(rtype) for rtype in sorted(before)),
    )
    return nodes.FAMILY.findings(context, subject)


def validators() -> list[AnyValidator]:
    """Return every validator: id, family, reference and one sentence."""
    return [
        *records.FAMILY.validators,
        *rrsets.FAMILY.validators,
        *nodes.FAMILY.validators,
    ]
