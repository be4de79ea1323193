"""What a record, an RRset and a name may be, beyond the syntax of names and rdata.

Pure rules in three families, each small and with a stable id; none rewrites a value.
Callers decide what to do with a finding; ``validators()`` lists all of them for the
documentation.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any

from dns_records import record_types
from dns_records.rdata import Rdata
from dns_records.validation import fields  # noqa: F401 (registers its rules)
from dns_records.validation import (
    keys,
    mail,
    nodes,
    occlusion,
    records,
    rrsets,
    services,
    targets,
)
from dns_records.validation.base import MAX_TTL, AnyValidator, Context, Family, Finding
from dns_records.validation.neighbours import Neighbours

__all__ = [
    "MAX_TTL",
    "Context",
    "Finding",
    "Neighbours",
    "check_node",
    "check_record",
    "check_rrset",
    "validators",
]

_RECORD = (
    records.FAMILY,
    services.FAMILY,
    keys.FAMILY,
    mail.FAMILY,
    targets.FAMILY,
)
_RRSET = (rrsets.FAMILY, services.RRSET_FAMILY, keys.RRSET_FAMILY)
_NODE = (nodes.FAMILY, occlusion.FAMILY, targets.NODE_FAMILY)


def check_record(
    context: Context, name: str, rtype: str, rdata: Rdata
) -> list[Finding]:
    """Return what the rules say about one record at the canonical ``name``."""
    subject = records.Record(name, record_types.lookup(rtype), rdata)
    return [f for family in _RECORD for f in family.findings(context, subject)]


def check_rrset(
    context: Context,
    name: str,
    rtype: str,
    ttl: int,
    rdatas: Sequence[Rdata],
    *,
    ttl_before: int | None = None,
) -> list[Finding]:
    """Return what the rules say about an RRset; one without records is absent.

    ``ttl_before`` is the TTL that it has now, None if it is new.
    """
    if not rdatas:
        return []
    subject = rrsets.RRset(name, record_types.lookup(rtype), ttl, rdatas, ttl_before)
    return [f for family in _RRSET for f in family.findings(context, subject)]


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
    return [f for family in _NODE for f in family.findings(context, subject)]


def validators() -> list[AnyValidator]:
    """Return every validator: id, family, reference and one sentence."""
    families: list[Family[Any]] = [*_RECORD, *_RRSET, *_NODE]
    return [validator for family in families for validator in family.validators]
