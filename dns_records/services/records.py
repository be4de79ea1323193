"""Changes of one record: create, update, delete it within its RRset."""

from __future__ import annotations

import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from uuid import UUID

from dns_records import drafts, names, rdata, record_types
from dns_records.drafts import Draft, Mistakes
from dns_records.images import Key
from dns_records.models import Record, Zone
from dns_records.plan import Operation, RecordNotFound
from dns_records.services import changes, wanted, zones
from dns_records.services.changes import Prepared
from dns_records.services.finding import Finder
from dns_records.services.preconditions import Precondition
from dns_records.services.wanted import Hint, Locked
from dnsorch.exceptions import Invalid, NotFound
from dnsorch.tokens.access import Access
from requests_tracker.models import Request

# Warnings that are about how a record's change is done, not about the record.
QUIET = frozenset({"record_exists", "record_not_found"})


@dataclass(frozen=True)
class CreateRecord:
    """One record to be added to its RRset, as the client wrote it."""

    name: str
    type: str
    value: str
    ttl: int | None = None
    zone: str | None = None
    comment: str | None = None
    expires_at: datetime | None = None
    pointer: str = ""
    ptr: bool | None = None
    record_id: UUID = field(default_factory=uuid.uuid4)

    def prepare(self, access: Access, request: Request) -> Prepared:
        """Find the zone, lock the name, plan.

        Raises:
            RecordExists: the same record is there already.
            DnsorchError: the record is wrong, not allowed, or conflicts.
        """
        zone, operations = self.read(access, request)
        locked = wanted.lock(zone, {operation.key.name for operation in operations})
        return self.plan(request, locked, operations)

    def read(
        self, access: Access, request: Request, find: Finder | None = None
    ) -> tuple[Zone, list[Operation]]:
        """Return the zone and what is to be done in it, in canonical form.

        Raises:
            DnsorchError: the record is wrong by itself, or not allowed.
        """
        request.value, request.ttl, request.comment = self.value, self.ttl, self.comment
        zone = find_zone(access, self.name, self.zone, find)
        request.zone = zone.name
        name = self.name if self.zone else names.absolute_name(self.name)
        (operation,) = drafts.read(
            [
                Draft(
                    action="add",
                    name=name,
                    type=self.type,
                    ttl=self.ttl,
                    records=(self.value,),
                    strict=True,
                    pointer=self.pointer,
                    value_at="/value",
                    ptr=self.ptr,
                    expires_at=self.expires_at,
                )
            ],
            zone.name,
        )
        changes.describe(request, [operation])
        (request.value,) = operation.records
        return zone, [operation]

    def plan(
        self, request: Request, locked: Locked, operations: Sequence[Operation]
    ) -> Prepared:
        """Plan what was read, the name being locked.

        Raises:
            RecordExists: the same record is there already.
            DnsorchError: the record conflicts, or breaks a rule.
        """
        (operation,) = operations
        hint = Hint(self.record_id, self.comment)
        locked.hints[operation.key, operation.records[0]] = hint
        prepared = Prepared(locked, changes.build(locked, [operation]))
        image = prepared.plan.images[operation.key]
        request.ttl = image.ttl if image else None
        return prepared


@dataclass(frozen=True)
class Target:
    """Which record is meant: by its id, or by what it is."""

    id: UUID | None = None
    name: str = ""
    type: str = ""
    value: str = ""
    zone: str | None = None

    def find(self, access: Access) -> tuple[Locked, Record, Key]:
        """Lock the record's owner name and return the record as it is under it.

        Raises:
            NotFound: there is no such record, or it is not theirs to see.
        """
        if self.id is not None:
            return self._find_by_id(access, self.id)
        zone = find_zone(access, self.name, self.zone)
        mistakes = Mistakes()
        absolute = self.name if self.zone else names.absolute_name(self.name)
        name = mistakes.at("/name", lambda: names.owner_name(absolute, zone.name))
        rtype = mistakes.at("/type", lambda: record_types.lookup(self.type))
        mistakes.raise_if_any()
        assert name is not None and rtype is not None  # else it has raised
        value = mistakes.at(
            "/value", lambda: rdata.parse(rtype.name, self.value, zone=zone.name).text
        )
        mistakes.raise_if_any()
        locked, key = wanted.lock(zone, {name}), Key(name, rtype.name)
        for record in locked.records.get(key, ()):
            if record.rdata == value:
                return locked, record, key
        raise RecordNotFound(f"{name} {rtype.name} {value} does not exist")

    def _find_by_id(
        self, access: Access, record_id: UUID
    ) -> tuple[Locked, Record, Key]:
        missing = NotFound(f"there is no record {record_id}")
        seen = (
            Record.objects.select_related("rrset__zone__backend")
            .filter(pk=record_id)
            .first()
        )
        if seen is None or not access.may_read(seen.rrset.zone.name):
            raise missing
        zone = zones.check_write(access, seen.rrset.zone)
        key = Key(seen.rrset.name, seen.rrset.type)
        locked = wanted.lock(zone, {key.name})
        for record in locked.records.get(key, ()):
            if record.pk == record_id:
                return locked, record, key
        raise missing


@dataclass(frozen=True)
class UpdateRecord:
    """Another value, TTL, comment or life for a record, which keeps its id.

    ``new`` holds those of ``value``, ``ttl``, ``comment``, ``expires_at`` that the
    client gave.
    """

    target: Target
    new: Mapping[str, object]
    precondition: Precondition | None = None
    pointer: str = ""
    ptr: bool | None = None

    def prepare(self, access: Access, request: Request) -> Prepared:
        """Lock the record's name and plan its new state.

        Raises:
            NotFound: there is no such record.
            DnsorchError: the new state is wrong, or conflicts.
        """
        locked, record, key = self.target.find(access)
        note(request, locked, record, key)
        ttl = self.new.get("ttl")
        if ttl is not None and not isinstance(ttl, int):
            raise Invalid("a TTL is a whole number of seconds")
        value = str(self.new.get("value", record.rdata))
        mistakes = Mistakes()
        text = mistakes.at(
            f"{self.pointer}/value",
            lambda: rdata.parse(key.type, value, zone=locked.zone.name).text,
        )
        mistakes.raise_if_any()
        assert text is not None  # else it has raised
        comment = self.new.get("comment", record.comment)
        locked.hints[key, text] = Hint(
            record.pk, None if comment is None else str(comment)
        )
        add = Operation(
            "add", key, ttl, (text,), strict=text != record.rdata, pointer=self.pointer
        )
        expires_at = self.new.get("expires_at", record.expires_at)
        if expires_at is None or isinstance(expires_at, datetime):
            add = replace(add, expires={text: expires_at})
        operations = [add]
        if text != record.rdata:
            gone = Operation("remove", key, None, (record.rdata,), strict=True)
            operations.insert(0, replace(gone, pointer=self.pointer))
        prepared = _planned(locked, key, operations, self.precondition, self.ptr)
        request.value = text
        if (image := prepared.plan.images[key]) is not None:
            request.ttl = image.ttl
        return prepared


@dataclass(frozen=True)
class DeleteRecord:
    """A record to be taken out of its RRset."""

    target: Target
    precondition: Precondition | None = None
    ptr: bool | None = None

    def prepare(self, access: Access, request: Request) -> Prepared:
        """Lock the record's name and plan its end.

        Raises:
            NotFound: there is no such record.
        """
        locked, record, key = self.target.find(access)
        note(request, locked, record, key)
        gone = Operation("remove", key, None, (record.rdata,), strict=True)
        return _planned(locked, key, [gone], self.precondition, self.ptr)


def find_zone(
    access: Access, name: str, zone: str | None, find: Finder | None = None
) -> Zone:
    """Return the zone that is given, or the one with the longest apex for ``name``.

    Raises:
        ZoneNotFound: there is none, or it is not theirs to see.
    """
    find = find or Finder()
    if zone:
        return drafts.placed("/zone", lambda: find.named(access, zone))
    return drafts.placed(
        "/name", lambda: find.holding(access, names.absolute_name(name))
    )


def note(request: Request, locked: Locked, record: Record, key: Key) -> None:
    """Note on the request which record it is about."""
    request.zone, request.name, request.type = locked.zone.name, key.name, key.type
    request.value, request.ttl = record.rdata, locked.rrsets[key].ttl


def _planned(
    locked: Locked,
    key: Key,
    operations: list[Operation],
    precondition: Precondition | None,
    ptr: bool | None,
) -> Prepared:
    drafts.placed("/ptr", lambda: drafts.check_ptr(key.type, ptr))
    operations = [replace(each, ptr=ptr) for each in operations]
    if precondition is not None:
        expected = precondition.expect(locked, key)
        operations = [replace(each, expected=expected) for each in operations]
    planned = changes.build(locked, operations)
    kept = tuple(each for each in planned.warnings if each.code not in QUIET)
    return Prepared(locked, replace(planned, warnings=kept))
