"""Requests that are carried out zone by zone: one part each, accepted together.

A change set travels in one UPDATE message of one zone, so each part is all or nothing
in DNS, and the whole is not. In the database it is: all parts are accepted or none.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial
from hashlib import sha256
from typing import Any, Protocol, runtime_checkable

from django.db import transaction

from dns_records import drafts, names, plan
from dns_records.drafts import Draft, Mistakes
from dns_records.models import Zone
from dns_records.plan import Operation
from dns_records.services import changes, companions, wanted, zones
from dns_records.services.changes import Prepared
from dns_records.services.companions import Names
from dns_records.services.submissions import Asked, Postponed, Submission
from dnsorch.tokens.access import Access
from requests_tracker.models import OnFailure, Request, Step
from requests_tracker.services import lifecycle
from requests_tracker.services.lifecycle import Origin
from requests_tracker.services.timeline import Entry


@dataclass(frozen=True)
class ManyZones:
    """A change set without a zone: the longest registered apex holds each name.

    ``on_failure`` says what becomes of the parts that were applied if one fails.
    ``digest`` is that of the plan which the client approves, of all zones.
    """

    drafts: Sequence[Draft]
    comment: str | None = None
    on_failure: str = OnFailure.KEEP
    digest: str | None = None

    def prepare_each(self, access: Access, request: Request) -> list[Prepared]:
        """Find the zones, lock the names in order, plan.

        Raises:
            DnsorchError: a change is wrong, not allowed, or conflicts.
        """
        request.comment = self.comment
        asked = [
            (zone, drafts.read(own, zone.name)) for zone, own in self._zones(access)
        ]
        for _, operations in asked:
            changes.check_size(plan.given(operations))
        changes.describe(request, [each for _, own in asked for each in own])
        if len(asked) == 1:
            request.zone = asked[0][0].name
        locked = [(_lock(zone, own), own) for zone, own in asked]
        return [Prepared(each, changes.build(each, own)) for each, own in locked]

    def _zones(self, access: Access) -> list[tuple[Zone, list[Draft]]]:
        """Return what is asked of each zone, in the order of locking."""
        mistakes = Mistakes()
        absolute: list[Draft] = []
        for draft in self.drafts:
            read = partial(names.absolute_name, draft.name)
            name = mistakes.at(f"{draft.pointer}/name", read)
            if name is not None:
                absolute.append(replace(draft, name=name))
        held = zones.holders({draft.name for draft in absolute})
        by_zone: dict[int, tuple[Zone, list[Draft]]] = {}
        for draft in absolute:
            check = partial(zones.check_held, access, draft.name, held.get(draft.name))
            zone = mistakes.at(f"{draft.pointer}/name", check)
            if zone is not None:
                by_zone.setdefault(zone.pk, (zone, []))[1].append(draft)
        mistakes.raise_if_any()
        return [by_zone[zone_id] for zone_id in sorted(by_zone)]


@runtime_checkable
class Spanning(Protocol):
    """What may be about several zones."""

    def prepare_each(self, access: Access, request: Request) -> list[Prepared]:
        """Find the zones, lock the names in order, plan for each zone."""


@dataclass(frozen=True)
class Whole:
    """A submission with the PTR records that go with it; what a client may approve."""

    asked: Submission | Spanning

    def prepare(self, access: Access, request: Request) -> Prepared | Parts:
        """Find the zones, lock all names, plan.

        Raises:
            PlanChanged: the plan is not the one that the client approves.
            DnsorchError: what is asked for is wrong, not allowed, or conflicts.
        """
        before: Names = {}
        while True:
            try:
                with transaction.atomic():
                    return self._prepared(access, request, before)
            except _NamesGrew as grew:
                before = grew.names

    def _prepared(
        self, access: Access, request: Request, before: Names
    ) -> Prepared | Parts:
        if before:
            for zone in Zone.objects.filter(pk__in=list(before)).order_by("pk"):
                wanted.lock(zone, before[zone.pk])
        prepared = self._each(access, request)
        found = companions.find(access, prepared)
        locked = {each.locked.zone.pk: set(each.locked.owners) for each in prepared}
        for zone_id, own in found.names.items():
            locked[zone_id] = locked.get(zone_id, set()) | own
        if found.names and any(
            not own <= before.get(zone_id, set()) for zone_id, own in locked.items()
        ):
            # Somebody may hold one of them and wait for one of ours: in order, then.
            raise _NamesGrew(locked)
        prepared = companions.add(prepared, found)
        ready: Prepared | Parts = prepared[0]
        if len(prepared) > 1:
            how = getattr(self.asked, "on_failure", OnFailure.KEEP)
            ready = Parts(prepared, how)
        if (digest := getattr(self.asked, "digest", None)) is not None:
            plan.check_approval(ready.answer(), digest)
        return ready

    def _each(self, access: Access, request: Request) -> list[Prepared]:
        if isinstance(self.asked, Spanning):
            return self.asked.prepare_each(access, request)
        return [self.asked.prepare(access, request)]


@dataclass(frozen=True)
class WholeLater(Whole):
    """A submission that is planned when it is due, with its PTR records then."""

    asked: Postponed

    def postpone(self, access: Access, request: Request, origin: Origin) -> None:
        """Judge it by itself and store it, with its request."""
        self.asked.postpone(access, request, origin)


def whole(asked: Submission | Spanning) -> Asked:
    """Return what is asked for with its PTR records."""
    return WholeLater(asked) if isinstance(asked, Postponed) else Whole(asked)


class _NamesGrew(Exception):
    """More names have to be locked, and all of them in order."""

    def __init__(self, names: Names) -> None:
        """Keep which."""
        self.names = names
        super().__init__()


@dataclass(frozen=True)
class Parts:
    """Several change sets, one for each zone, that are planned under their locks."""

    prepared: Sequence[Prepared]
    on_failure: str

    def store(self, request: Request, origin: Origin) -> None:
        """Store the request and its parts.

        Raises:
            ChangesetTooLarge: a part does not fit into one message.
        """
        request.zone, request.on_failure = "", self.on_failure
        entries = [origin.received(), *self._entries()]
        lifecycle.open_parent(request, entries, count=len(self.prepared))
        self._store_parts(request, origin)

    def open(self, request: Request) -> None:
        """Make the parts of a request that waited for its time.

        Raises:
            ChangesetTooLarge: a part does not fit into one message.
        """
        request.on_failure = self.on_failure
        lifecycle.divide(request, self._entries(), count=len(self.prepared))
        self._store_parts(request, Origin.of(request))

    def _store_parts(self, request: Request, origin: Origin) -> None:
        for each in self.prepared:
            part = lifecycle.part(request, zone=each.plan.zone)
            changes.describe(part, [step.operation for step in each.plan.steps])
            changes.store(part, origin, each)

    def _entries(self) -> list[Entry]:
        zones_text = ", ".join(each.plan.zone for each in self.prepared)
        count = sum(len(each.plan.steps) for each in self.prepared)
        return [
            Entry(
                Step.VALIDATED,
                f"{count} change(s) of {zones_text} are valid; each zone's are all or "
                "nothing, those of all zones together are not",
                data={"warnings": self._warnings()},
            ),
            Entry(Step.STORED, f"stored as {len(self.prepared)} parts"),
            Entry(Step.ENQUEUED, "its parts wait in the lanes of their zones"),
        ]

    def answer(self) -> dict[str, Any]:
        """Return the plan of each zone as a dry run does, and the digest of all."""
        plans = [each.answer() for each in self.prepared]
        together = "".join(each["digest"] for each in plans)
        return {"plans": plans, "digest": sha256(together.encode()).hexdigest()}

    def _warnings(self) -> list[dict[str, str]]:
        return [each.as_dict() for own in self.prepared for each in own.plan.warnings]


def _lock(zone: Zone, operations: Sequence[Operation]) -> wanted.Locked:
    return wanted.lock(zone, {operation.key.name for operation in operations})
