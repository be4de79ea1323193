"""Rules about one name: which types may stand there together."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

import dns.name

from dns_records import names
from dns_records.record_types import RecordType
from dns_records.validation.base import Context, Family, Problem, error, warning


@dataclass(frozen=True)
class Node:
    """The subject of a node rule: a canonical name, its types after and before."""

    name: str
    types: tuple[RecordType, ...]
    before: tuple[RecordType, ...]

    @cached_property
    def type_names(self) -> tuple[str, ...]:
        """The names of the types after the change."""
        return tuple(rtype.name for rtype in self.types)


FAMILY: Family[Node] = Family("node")

# What PowerDNS 4.7 takes in a question; others it answers with SERVFAIL.
_SERVED = re.compile(rb"[A-Za-z0-9 *./:@\\_-]*")


@FAMILY.rule("apex-types", "RFC 1034 section 3.6.2")
def apex_types(context: Context, node: Node) -> Iterator[Problem]:
    """A type stands at the apex, or below it, only where it may (RFC 1034)."""
    at_apex = node.name == context.zone
    for rtype in node.types:
        if at_apex and not rtype.at_apex:
            yield error(
                f"{rtype.name.lower()}_at_apex",
                f"{rtype.name} cannot stand at the apex {node.name} of a zone.",
            )
        if not at_apex and not rtype.below_apex:
            yield error(
                f"{rtype.name.lower()}_below_apex",
                f"{rtype.name} can stand only at the apex of a zone.",
            )


@FAMILY.rule("cname-exclusive", "RFC 1034 section 3.6.2")
def cname_exclusive(context: Context, node: Node) -> Iterator[Problem]:
    """A name with a CNAME has no other type (RFC 1034 section 3.6.2, RFC 2181)."""
    for rtype in node.types:
        others = [name for name in node.type_names if name != rtype.name]
        if rtype.exclusive and others:
            yield error(
                f"{rtype.name.lower()}_conflict",
                f"{node.name} would have {rtype.name} beside {', '.join(others)};"
                f" {rtype.name} excludes every other type.",
                409,
            )


@FAMILY.rule("apex-ns", "RFC 1034 section 4.2.1")
def apex_ns(context: Context, node: Node) -> Iterator[Problem]:
    """The apex keeps NS records once it has some (RFC 1034 section 4.2.1)."""
    had_ns = any(rtype.name == "NS" for rtype in node.before)
    if node.name == context.zone and had_ns and "NS" not in node.type_names:
        yield error(
            "apex_ns_required",
            f"The apex {node.name} needs NS records; they can be changed, not removed.",
        )


@FAMILY.rule("wildcard-types", "RFC 4592 section 4.2")
def wildcard_types(context: Context, node: Node) -> Iterator[Problem]:
    """A wildcard owns no NS and no DNAME records (RFC 4592 section 4.2).

    An error, since BIND ignores such an update without saying so.
    """
    if names.is_wildcard(node.name):
        for rtype in node.types:
            if not rtype.wildcard:
                yield error(
                    "type_at_wildcard",
                    f"{rtype.name} records cannot stand at the wildcard {node.name}",
                )


@FAMILY.rule("delegation", "RFC 1034 section 4.2.1")
def delegation(context: Context, node: Node) -> Iterator[Problem]:
    """At a delegation only NS and DS are answered from this zone (RFC 1034)."""
    if node.name == context.zone or "NS" not in node.type_names:
        return
    others = [rtype.name for rtype in node.types if not rtype.at_delegation]
    if others:
        yield warning(
            "hidden_by_delegation",
            f"{node.name} is delegated by its NS records, so its name servers do not"
            f" answer with {', '.join(others)} from this zone.",
        )


@FAMILY.rule("ds-beside-ns", "RFC 4035 section 2.4")
def ds_beside_ns(context: Context, node: Node) -> Iterator[Problem]:
    """DS stands only at a delegation, beside NS (RFC 4035 section 2.4).

    An error: BIND leaves a DS without NS out of the zone without saying so.
    """
    if node.name == context.zone:
        return  # where DS is refused anyway
    if "DS" in node.type_names and "NS" not in node.type_names:
        yield error(
            "ds_without_ns",
            f"{node.name} would have DS records and no NS records; DS is of a"
            " delegation.",
            409,
        )


@FAMILY.rule("served-name", "PowerDNS 4.7")
def served_name(context: Context, node: Node) -> Iterator[Problem]:
    """PowerDNS answers for names of letters, digits, space and ``*-./:@\\_`` only."""
    labels = dns.name.from_text(node.name).labels
    if not node.types or all(_SERVED.fullmatch(label) for label in labels):
        return
    detail = f"PowerDNS answers every question about {node.name} with SERVFAIL."
    if context.driver == "powerdns":
        yield error("name_not_served", detail)
    else:
        yield warning("name_not_served", detail)
