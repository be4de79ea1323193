"""Rules about a name and what stands above and below it.

They rest on :class:`~dns_records.validation.neighbours.Neighbours`, which are read
without a lock: two change sets at the same moment may get past them. Verification
finds what is hidden then.
"""

from __future__ import annotations

from collections.abc import Iterator

from dns_records.validation.base import Context, Family, Problem, error, warning
from dns_records.validation.nodes import Node

FAMILY: Family[Node] = Family("node")

# What a name server adds to a referral, if the delegation names it.
_GLUE = frozenset({"A", "AAAA"})


@FAMILY.rule("below-dname", "RFC 6672 section 2.4")
def below_dname(context: Context, node: Node) -> Iterator[Problem]:
    """Nothing stands below a DNAME (RFC 6672 section 2.4)."""
    hider = context.neighbours.hider(node.name, context.zone)
    if node.types and hider and hider.type == "DNAME":
        yield error(
            "below_dname",
            f"{node.name} is below the DNAME of {hider.name}, which answers for every"
            " name there.",
            409,
        )


@FAMILY.rule("dname-above-data", "RFC 6672 section 2.4")
def dname_above_data(context: Context, node: Node) -> Iterator[Problem]:
    """A DNAME is not put above what is there already (RFC 6672 section 2.4)."""
    if "DNAME" in node.type_names and node.name in context.neighbours.filled:
        yield error(
            "dname_above_data",
            f"A DNAME at {node.name} would hide the records below it; delete them"
            " first, or in the same change set.",
            409,
        )


@FAMILY.rule("below-delegation", "RFC 1034 section 4.2.1")
def below_delegation(context: Context, node: Node) -> Iterator[Problem]:
    """Below a delegation only glue addresses are of use (RFC 1034 section 4.2.1)."""
    hider = context.neighbours.hider(node.name, context.zone)
    others = [name for name in node.type_names if name not in _GLUE]
    if others and hider and hider.type == "NS":
        yield warning(
            "below_delegation",
            f"{node.name} is below the delegation of {hider.name}, so the zone's name"
            f" servers do not answer with {', '.join(others)}.",
        )


@FAMILY.rule("delegation-above-data", "RFC 1034 section 4.2.1")
def delegation_above_data(context: Context, node: Node) -> Iterator[Problem]:
    """A delegation hides what is below it, glue addresses apart (RFC 1034)."""
    delegated = "NS" in node.type_names and node.name != context.zone
    if delegated and node.name in context.neighbours.filled:
        yield warning(
            "delegation_above_data",
            f"The delegation of {node.name} hides the records that the zone has below"
            " it.",
        )
