"""Rules about what a record points to in its own zone.

They rest on what is known of the zone, see :mod:`.neighbours`; what is not known is
not judged. The wanted state may lack what a name server has, so what is missing is a
warning; what is there and must not be is an error where BIND makes it one.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator

from dns_records import names, record_types
from dns_records.images import Key
from dns_records.validation import neighbours
from dns_records.validation.base import Context, Family, Problem, error, warning
from dns_records.validation.nodes import Node
from dns_records.validation.records import Record

FAMILY: Family[Record] = Family("record")
NODE_FAMILY: Family[Node] = Family("node")

ADDRESSES = frozenset({"A", "AAAA"})
# BIND refuses an UPDATE with an MX, or an NS of the apex, that points to an alias.
_NO_ALIAS = frozenset({"MX", "NS"})


def _targets(context: Context, record: Record) -> Iterator[tuple[str, frozenset[str]]]:
    """Yield each target that this zone answers for, with the types found there."""
    around = context.neighbours
    for target in neighbours.targets(context.zone, record.type, record.rdata):
        found = around.answering(target, context.zone)
        delegated = found is not None and "NS" in found and target != context.zone
        if found is None or delegated or around.hider(target, context.zone):
            continue
        yield target, found


@FAMILY.rule("target-alias", "RFC 2181 section 10.3")
def target_alias(context: Context, record: Record) -> Iterator[Problem]:
    """The target of NS and MX is no alias, nor should others be (RFC 2181 10.3)."""
    for target, found in _targets(context, record):
        if "CNAME" not in found:
            continue
        detail = (
            f"The target '{target}' has a CNAME in this zone; {record.type.name}"
            " records point to the name itself."
        )
        if record.type.name in _NO_ALIAS:
            yield error("target_is_alias", detail, 409)
        else:
            yield warning("target_is_alias", detail)


@FAMILY.rule("target-exists", "RFC 1034 section 3.6")
def target_exists(context: Context, record: Record) -> Iterator[Problem]:
    """A host that a record points to in its own zone has an address (RFC 1034).

    BIND refuses an UPDATE with an MX, or an NS of the apex, whose target has none.
    """
    if not record.type.hosts:
        return
    for target, found in _targets(context, record):
        if not found & (ADDRESSES | {"CNAME"}):
            yield warning(
                "target_without_address",
                f"The target '{target}' has neither A nor AAAA records in this zone.",
            )


@FAMILY.rule("glue", "RFC 1034 section 4.2.1")
def glue(context: Context, record: Record) -> Iterator[Problem]:
    """A name server below its own delegation has glue addresses (RFC 1034 4.2.1)."""
    if record.type.name != "NS" or record.name == context.zone:
        return
    for target in record.rdata.names:
        held = context.neighbours.types.get(target)
        inside = names.is_in_zone(target, record.name)
        if inside and held is not None and not held & ADDRESSES:
            yield warning(
                "glue_missing",
                f"Nobody can find the address of '{target}', which is inside what it is"
                f" to serve: add its A or AAAA records to {context.zone} too.",
            )


@NODE_FAMILY.rule("alias-pointed-to", "RFC 2181 section 10.3")
def alias_pointed_to(context: Context, node: Node) -> Iterator[Problem]:
    """No name becomes an alias that NS or MX point to, nor should others (RFC 2181).

    BIND refuses it where an NS of the apex points.
    """
    if "CNAME" not in node.type_names or "CNAME" in _names(node.before):
        return
    for rtype, which in _pointing(context, node):
        detail = f"{which} to {node.name}, which would be an alias."
        if rtype in _NO_ALIAS:
            yield error("target_is_alias", detail, 409)
        else:
            yield warning("target_is_alias", detail)


@NODE_FAMILY.rule("address-pointed-to", "RFC 1034 section 3.6")
def address_pointed_to(context: Context, node: Node) -> Iterator[Problem]:
    """A host that others point to keeps an address (RFC 1034 section 3.6).

    BIND refuses to take the last one from a target of the apex's NS.
    """
    had = _names(node.before) & ADDRESSES
    found = context.neighbours.answering(node.name, context.zone)
    if not had or found is None or found & (ADDRESSES | {"CNAME"}):
        return
    for rtype, which in _pointing(context, node):
        if record_types.lookup(rtype).hosts:
            yield warning(
                "target_without_address",
                f"{which} to {node.name}, which would have neither A nor AAAA records.",
            )


@NODE_FAMILY.rule("glue-pointed-to", "RFC 1034 section 4.2.1")
def glue_pointed_to(context: Context, node: Node) -> Iterator[Problem]:
    """A name server below its own delegation keeps its glue (RFC 1034 4.2.1)."""
    hider = context.neighbours.hider(node.name, context.zone)
    gone = _names(node.before) & ADDRESSES and not _names(node.types) & ADDRESSES
    if not gone or hider is None or hider.type != "NS":
        return
    if Key(hider.name, "NS") in context.neighbours.pointers.get(node.name, ()):
        yield warning(
            "glue_missing",
            f"Nobody could find the address of '{node.name}', a name server of"
            f" {hider.name}, which it is inside of.",
        )


def _names(types: Collection[record_types.RecordType]) -> frozenset[str]:
    return frozenset(rtype.name for rtype in types)


def _pointing(context: Context, node: Node) -> Iterator[tuple[str, str]]:
    """Yield each type that points to a name this zone answers for, and who does."""
    around = context.neighbours
    delegated = "NS" in node.type_names and node.name != context.zone
    if delegated or around.hider(node.name, context.zone):
        return
    owners: dict[str, list[str]] = {}
    for name, rtype in sorted(around.pointers.get(node.name, ())):
        owners.setdefault(rtype, []).append(name)
    for rtype, (first, *others) in sorted(owners.items()):
        more = f" (and {len(others)} more)" if others else ""
        yield rtype, f"{rtype} records of {first}{more} point"
