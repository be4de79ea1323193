"""The wanted state in the database: locked by owner name, read, written.

Nothing DNS-shaped is read without the lock of its owner name and then written.
"""

from __future__ import annotations

import uuid
from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field

from django.db.models import QuerySet

from dns_records import rdata
from dns_records.images import Image, Key, dump
from dns_records.lifetimes import Life, Lives
from dns_records.models import OwnerName, Record, RRset, Zone
from dns_records.validation.neighbours import parents
from dnsorch import bulk, clock, prepared
from dnsorch.prepared import Update

MAX_ABOVE = 5000


@dataclass(frozen=True)
class Hint:
    """What a single-record request says about the record it makes."""

    record_id: uuid.UUID
    comment: str | None = None


@dataclass
class Unsaved:
    """Rows that are as they are to be, and not yet in the database.

    ``held``: what is applied changes too. Of others the worker alone writes that, and
    without the lock of the name.
    """

    new_rrsets: dict[Key, RRset] = field(default_factory=dict)
    rrsets: dict[Key, RRset] = field(default_factory=dict)
    new_records: dict[uuid.UUID, Record] = field(default_factory=dict)
    records: dict[uuid.UUID, Record] = field(default_factory=dict)
    gone_records: list[uuid.UUID] = field(default_factory=list)
    names: set[str] = field(default_factory=set)
    held: bool = False


@dataclass
class Locked:
    """The owner names a transaction has locked, with all their RRsets.

    ``above`` has the types at the names above them, and at others that are known.
    """

    zone: Zone
    owners: dict[str, OwnerName]
    rrsets: dict[Key, RRset]
    records: dict[Key, list[Record]]
    hints: dict[tuple[Key, str], Hint] = field(default_factory=dict)
    lives: Lives = field(default_factory=dict)
    above: Mapping[str, frozenset[str]] = field(default_factory=dict)
    unsaved: Unsaved = field(default_factory=Unsaved)

    def images(self) -> dict[Key, Image | None]:
        """Return the wanted image of every RRset of the locked names."""
        return {key: self.image(key) for key in self.rrsets}

    def image(self, key: Key) -> Image | None:
        """Return the wanted image of one RRset, None if it is absent."""
        row = self.rrsets.get(key)
        if row is None or not row.present:
            return None
        return Image.of(row.ttl, (record.rdata for record in self.records[key]))


def lock(zone: Zone, names: Collection[str]) -> Locked:
    """Lock owner names, which are made if they are new, and read their RRsets.

    Both statements go in name order, so that two transactions never wait for each
    other; concurrent writers of a name are served one after the other.
    """
    ordered = sorted(names)
    new = bulk.insert_missing(
        [OwnerName(zone=zone, name=name) for name in ordered], "zone_id", "name"
    )
    owners = {owner.name: owner for owner in new}
    # Nobody else sees a new one, so it is locked and there is nothing at it.
    old = [name for name in ordered if name not in owners]
    owners |= {owner.name: owner for owner in _lock_owners(zone.pk, old)}
    above = _above(zone, owners)
    rrsets: dict[Key, RRset] = {}
    types: dict[str, set[str]] = {name: set() for name in above}
    for row in _rrsets(zone.pk, [*old, *above]):
        if row.name in owners:
            rrsets[Key(row.name, row.type)] = row
        elif row.present:
            types[row.name].add(row.type)
    records: dict[Key, list[Record]] = {key: [] for key in rrsets}
    keys = {row.pk: key for key, row in rrsets.items()}
    for record in _records(list(keys)):
        records[keys[record.rrset_id]].append(record)
    held = {name: frozenset(found) for name, found in types.items()}
    return Locked(zone, owners, rrsets, records, above=held)


@prepared.rows
def _lock_owners(zone_id: int, names: Collection[str]) -> QuerySet[OwnerName]:
    # No key of it changes, so that who refers to it need not wait.
    locked = OwnerName.objects.select_for_update(no_key=True)
    return locked.filter(zone=zone_id, name__in=names).order_by("name")


@prepared.rows
def _rrsets(zone_id: int, names: Collection[str]) -> QuerySet[RRset]:
    return RRset.objects.filter(zone=zone_id, name__in=names)


@prepared.rows
def _records(rrset_ids: Collection[int]) -> QuerySet[Record]:
    return Record.objects.filter(rrset__pk__in=rrset_ids)


def _above(zone: Zone, owners: Collection[str]) -> list[str]:
    """Return the names above ``owners`` that are none of them, next to the apex first.

    Of very many the rest is left out: the database takes only so many parameters.
    """
    found = {each for name in owners for each in parents(name, zone.name)}
    return sorted(found - set(owners), key=lambda name: (len(name), name))[:MAX_ABOVE]


def write(
    locked: Locked,
    images: Mapping[Key, Image | None],
    comments: Mapping[Key, str | None] | None = None,
    *,
    held: bool = False,
) -> None:
    """Make ``images`` the wanted state of their RRsets, in few statements.

    See :func:`change`.
    """
    change(locked, images, comments, held=held)
    save(locked)


def change(
    locked: Locked,
    images: Mapping[Key, Image | None],
    comments: Mapping[Key, str | None] | None = None,
    *,
    held: bool = False,
) -> None:
    """Make ``images`` the wanted state of their RRsets; :func:`save` stores it.

    An RRset that is as it should be keeps its version. ``comments`` are of RRsets
    whose comment changes; what changes is applied too where the update server has
    ``held`` it already. What the hints and lives in ``locked`` say of records is
    written too. ``locked`` is brought up to date, new RRsets included.
    """
    comments = comments or {}
    unsaved, now = locked.unsaved, clock.now()
    for key, image in images.items():
        row = locked.rrsets.get(key)
        if row is None:
            row = RRset(
                owner=locked.owners[key.name],
                zone=locked.zone,
                name=key.name,
                type=key.type,
                ttl=locked.zone.default_ttl,
            )
            locked.rrsets[key], locked.records[key] = row, []
            unsaved.new_rrsets[key] = row
        elif image == locked.image(key) and not _other_details(locked, key, comments):
            continue
        elif key not in unsaved.new_rrsets:
            unsaved.rrsets[key] = row
        row.version += 1
        row.present = image is not None
        row.ttl = image.ttl if image else row.ttl
        row.comment = comments.get(key, row.comment) if image else None
        row.applied = dump(image) if held else row.applied
        row.updated_at = now
    unsaved.names |= {key.name for key in images}
    unsaved.held |= held
    _change_records(locked, images)


def save(locked: Locked) -> None:
    """Store all that :func:`change` has made of ``locked``, in few statements."""
    unsaved, locked.unsaved = locked.unsaved, Unsaved()
    fields = ["version", "present", "ttl", "comment", "updated_at"]
    fields += ["applied"] if unsaved.held else []
    bulk.insert(unsaved.new_rrsets.values())
    RRset.objects.bulk_update(unsaved.rrsets.values(), fields)
    if unsaved.gone_records:
        Record.objects.filter(pk__in=unsaved.gone_records).delete()
    Record.objects.bulk_update(
        unsaved.records.values(),
        ["rdata", "digest", "comment", "expires_at", "expires_for", "updated_at"],
    )
    bulk.insert(unsaved.new_records.values())
    _save_counters(locked, unsaved.names)


def _other_details(
    locked: Locked, key: Key, comments: Mapping[Key, str | None]
) -> bool:
    """Say whether a comment of the RRset or a detail of one of its records changes."""
    row = locked.rrsets[key]
    return comments.get(key, row.comment) != row.comment or any(
        _details(locked, key, record) != (record.comment, life(record))
        for record in locked.records[key]
    )


def life(record: Record) -> Life:
    """Return when a record goes by itself, and which request said so."""
    return Life(record.expires_at, record.expires_for)


def _details(locked: Locked, key: Key, record: Record) -> tuple[str | None, Life]:
    """Return the comment and the life that a record is to have."""
    hint = locked.hints.get((key, record.rdata))
    comment = hint.comment if hint else record.comment
    now = life(record)
    given = locked.lives.get((key, record.rdata), now)
    # Who says again what was said already changes nothing.
    return comment, now if given.expires_at == now.expires_at else given


def _detail(locked: Locked, key: Key, record: Record) -> bool:
    """Give a record its comment and life; say whether they are others."""
    before = record.comment, life(record)
    comment, (expires_at, expires_for) = _details(locked, key, record)
    record.comment = comment
    record.expires_at, record.expires_for = expires_at, expires_for
    return before != (comment, life(record))


def _change_records(locked: Locked, images: Mapping[Key, Image | None]) -> None:
    unsaved, now = locked.unsaved, clock.now()
    for key, image in images.items():
        there = {record.rdata: record for record in locked.records[key]}
        wanted = set(image.records) if image else set()
        leaving = {each.pk: each for text, each in there.items() if text not in wanted}
        kept = [each for text, each in there.items() if text in wanted]
        taken = {each.pk for each in kept}
        for record in kept:
            if _detail(locked, key, record):
                record.updated_at = now
                _mark(unsaved, record)
        for text in sorted(wanted - set(there)):
            hint = locked.hints.get((key, text))
            if hint and hint.record_id in taken:
                hint = None  # that record is another one by now
            # A record that is given another value keeps its id.
            if hint and hint.record_id in leaving:
                record = leaving.pop(hint.record_id)
                _mark(unsaved, record)
            else:
                record = Record(rrset=locked.rrsets[key], created_at=now)
                record.pk = hint.record_id if hint else record.pk
                unsaved.new_records[record.pk] = record
            record.rdata = text
            record.digest = rdata.parse(key.type, text, zone=locked.zone.name).digest
            _detail(locked, key, record)
            record.updated_at = now
            taken.add(record.pk)
            kept.append(record)
        for record_id in leaving:
            unsaved.records.pop(record_id, None)
            if unsaved.new_records.pop(record_id, None) is None:
                unsaved.gone_records.append(record_id)
        locked.records[key] = kept


def _mark(unsaved: Unsaved, record: Record) -> None:
    """Have a record stored again, unless it is new anyway."""
    if record.pk not in unsaved.new_records:
        unsaved.records[record.pk] = record


def _save_counters(locked: Locked, names: Iterable[str]) -> None:
    """Count the RRsets of each name again: the CHECK on them is the last guard."""
    present: dict[str, list[str]] = defaultdict(list)
    for key, row in locked.rrsets.items():
        if row.present:
            present[key.name].append(key.type)
    # Few counters differ: a statement for each costs less than one CASE for each row.
    changed: dict[tuple[int, int], list[int]] = defaultdict(list)
    for name in sorted(names):
        owner, types = locked.owners[name], present[name]
        cname = types.count("CNAME")
        counters = (cname, len(types) - cname)
        if (owner.cname_rrsets, owner.other_rrsets) != counters:
            owner.cname_rrsets, owner.other_rrsets = counters
            changed[counters].append(owner.pk)
    for (cname, other), owners in changed.items():
        _count_rrsets(owners, cname, other)


@prepared.update
def _count_rrsets(owners: Collection[int], cname: int, other: int) -> Update:
    values = {"cname_rrsets": cname, "other_rrsets": other}
    return OwnerName.objects.filter(pk__in=owners), values
