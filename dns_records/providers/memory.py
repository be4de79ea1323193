"""A DNS service in the memory of this process: for tests and dry demonstrations.

Does what the update server of RFC 2136 does, atomicity, marker and silently ignored
CNAME conflicts included, and passes the same contract suite. Faults are switched on
at the :class:`Store`, which also keeps a log of what was applied.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar

from dns_records.providers import updates
from dns_records.providers.base import (
    Fence,
    Provider,
    RRsetChange,
    Terms,
    marker_name,
)
from dns_records.providers.errors import (
    Fenced,
    MessageTooLarge,
    Misconfigured,
    OutcomeUnknown,
    PermanentRefusal,
    Unreachable,
)
from dns_records.providers.options import Option
from dns_records.record_types import RECORD_TYPES


@dataclass(frozen=True)
class Faults:
    """What a store does wrong, until it is given others."""

    refuse_names: frozenset[str] = frozenset()
    """Refuse every message that changes one of these owner names."""
    refuse_all: bool = False
    ignore_names: frozenset[str] = frozenset()
    """Say NOERROR, but leave changes of these owner names out."""
    unreachable: bool = False
    misconfigured: bool = False
    lose_message: bool = False
    """The message never arrives, and nobody can tell."""
    lose_answer: bool = False
    """The message is applied, and nobody can tell."""


@dataclass(frozen=True)
class Applied:
    """One message that was applied."""

    zone: str
    changes: tuple[RRsetChange, ...]
    fence: Fence | None


@dataclass
class Store:
    """The RRsets of one pretended service, by owner name and type."""

    rrsets: dict[tuple[str, str], RRsetChange] = field(default_factory=dict)
    log: list[Applied] = field(default_factory=list)
    faults: Faults = Faults()
    lock: threading.RLock = field(default_factory=threading.RLock)


_stores: dict[str, Store] = {}
_stores_lock = threading.Lock()


def store(name: str = "default") -> Store:
    """Return the store of that name, an empty one the first time."""
    with _stores_lock:
        return _stores.setdefault(name, Store())


def forget(name: str = "default") -> None:
    """Forget a store; providers that have it keep it."""
    with _stores_lock:
        _stores.pop(name, None)


class MemoryProvider(Provider):
    """Writes to a :class:`Store`."""

    driver = "memory"
    options: ClassVar[Mapping[str, Option]] = {
        "store": Option(str, "name of the store in this process", "default"),
    }
    supported_types = frozenset(RECORD_TYPES)
    writes_unknown_types = True
    max_message_octets = 65_535
    can_probe = True
    can_fence = True
    can_expect = True
    can_list = True
    may_be_late = False

    def _configure(self, options: Mapping[str, Any]) -> None:
        self.store = store(options["store"])

    def _apply(
        self, zone: str, changes: Sequence[RRsetChange], terms: Terms
    ) -> tuple[str, int]:
        fence = terms.fence
        octets = self._octets(zone, changes)
        if octets > self.max_message_octets:
            raise MessageTooLarge()
        with self.store.lock:
            faults = self._arrive()
            if faults.lose_message:
                raise OutcomeUnknown("the message was lost")
            if fence is not None:
                self._check_fence(zone, fence)
            self._check_expected(terms.expected)
            self._check_refusal(zone, changes)
            if fence is not None:
                self._put(
                    RRsetChange(
                        marker_name(zone), "TXT", updates.MARKER_TTL, (fence.next,)
                    )
                )
            for change in changes:
                if change.name not in faults.ignore_names:
                    self._put(change)
            self.store.log.append(Applied(zone, tuple(changes), fence))
            if faults.lose_answer:
                raise OutcomeUnknown("the answer was lost")
        return "NOERROR", octets

    def _probe(self, zone: str, images: Sequence[RRsetChange]) -> bool:
        with self.store.lock:
            self._arrive()
            return all(self._holds(image) for image in images)

    def _check_permission(self, zone: str) -> None:
        with self.store.lock:
            self._arrive()
            self._check_refusal(zone, [RRsetChange(marker_name(zone), "TXT", 0, ())])

    def _read_marker(self, zone: str) -> str | None:
        with self.store.lock:
            self._arrive()
            marker = self.store.rrsets.get((marker_name(zone), "TXT"))
            return marker.records[0] if marker else None

    def _read_rrset(self, zone: str, name: str, rtype: str) -> RRsetChange | None:
        with self.store.lock:
            self._arrive()
            return self.store.rrsets.get((name, rtype))

    def _read_zone(self, zone: str) -> Iterator[RRsetChange]:
        with self.store.lock:
            self._arrive()
            held = list(self.store.rrsets.values())
        yield from held

    def _octets(self, zone: str, changes: Sequence[RRsetChange]) -> int:
        return updates.octets(zone, changes)

    # --- the service ---------------------------------------------------------------

    def _arrive(self) -> Faults:
        if self.store.faults.unreachable:
            raise Unreachable()
        if self.store.faults.misconfigured:
            raise Misconfigured(rcode="NOTAUTH")
        return self.store.faults

    def _check_fence(self, zone: str, fence: Fence) -> None:
        name = marker_name(zone)
        if fence.previous is None:
            if any(owner == name for owner, _ in self.store.rrsets):
                raise Fenced(rcode="YXDOMAIN")
            return
        marker = self.store.rrsets.get((name, "TXT"))
        if marker is None or marker.records != (fence.previous,):
            raise Fenced(rcode="NXRRSET")

    def _check_expected(self, expected: Sequence[RRsetChange]) -> None:
        for image in expected:
            if not self._holds(image):
                raise Fenced(rcode="NXRRSET" if image.records else "YXRRSET")

    def _check_refusal(self, zone: str, changes: Sequence[RRsetChange]) -> None:
        for change in changes:
            if not ("." + change.name).endswith("." + zone.lstrip(".")):
                raise PermanentRefusal(rcode="NOTZONE")
            if change.name in self.store.faults.refuse_names:
                raise PermanentRefusal(rcode="REFUSED")
        if self.store.faults.refuse_all:
            raise PermanentRefusal(rcode="REFUSED")

    def _put(self, change: RRsetChange) -> None:
        """Give an RRset its image; ignore what RFC 2136 section 3.4.2.2 ignores."""
        self.store.rrsets.pop((change.name, change.type), None)
        if not change.records:
            return
        others = {t for owner, t in self.store.rrsets if owner == change.name}
        if others and (change.type == "CNAME" or "CNAME" in others):
            return
        self.store.rrsets[change.name, change.type] = change

    def _holds(self, image: RRsetChange) -> bool:
        held = self.store.rrsets.get((image.name, image.type))
        if held is None or not image.records:
            return (held is None) == (not image.records)
        return set(held.records) == set(image.records)
