"""What a zone holds beside the names that a change set touches. Pure."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import NamedTuple

from dns_records import names
from dns_records.images import Key
from dns_records.rdata import Rdata
from dns_records.record_types import RECORD_TYPES, RecordType

#: The types whose targets are judged.
POINTING = frozenset(
    name for name, rtype in RECORD_TYPES.items() if rtype.hosts or name == "PTR"
)


class Hider(NamedTuple):
    """What keeps a name server from answering for a name: NS or DNAME above it."""

    name: str
    type: str


@dataclass(frozen=True)
class Neighbours:
    """What is known of other names, read without their locks: a hint, not a promise.

    ``types`` has the types of each name that was asked for, none where nothing
    stands; of a name that is missing nothing is known. ``filled`` are the names that
    become a delegation or a DNAME while data stands below them. ``pointers`` are the
    RRsets, other than those of the change set, that point to a name which becomes an
    alias or loses its addresses.
    """

    types: Mapping[str, frozenset[str]] = field(default_factory=dict)
    filled: frozenset[str] = frozenset()
    pointers: Mapping[str, Collection[Key]] = field(default_factory=dict)

    def overlaid(self, types: Mapping[str, frozenset[str]]) -> Neighbours:
        """Return the same with what a change set makes of its own names."""
        return replace(self, types={**self.types, **types})

    def hider(self, name: str, zone: str) -> Hider | None:
        """Return what hides ``name``, the one next to the apex, None if nothing does.

        Where both are at one name below the apex, NS is asked first.
        """
        for above in reversed(parents(name, zone)):
            held = self.types.get(above, frozenset())
            if "NS" in held and above != zone:
                return Hider(above, "NS")
            if "DNAME" in held:
                return Hider(above, "DNAME")
        return None

    def answering(self, name: str, zone: str) -> frozenset[str] | None:
        """Return the types that a query for ``name`` finds, None if it is not known.

        Where the name is not there, a wildcard answers (RFC 4592 section 3.3).
        """
        held = self.types.get(name)
        if held or held is None:
            return held
        for above in parents(name, zone):
            if found := self.types.get(f"*.{above}"):
                return found
        return held


def parents(name: str, zone: str) -> list[str]:
    """Return the names above a canonical ``name``, to the apex, nearest first.

    None are above what is not in the zone.
    """
    above = names.suffixes(name)
    return above[1 : above.index(zone) + 1] if zone in above else []


def targets(zone: str, rtype: RecordType, rdata: Rdata) -> Iterator[str]:
    """Yield the names in the zone that a record points to and that are judged."""
    if rtype.name in POINTING:
        for target in rdata.names:
            if names.is_in_zone(target, zone):
                yield target


def around(target: str, zone: str) -> set[str]:
    """Return all names that decide how a target in the zone is answered."""
    above = parents(target, zone)
    return {target, *above, *(f"*.{name}" for name in above)}
