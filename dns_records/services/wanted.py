"""The wanted state in the database: locked by owner name, read, written.

Nothing DNS-shaped is read without the lock of its owner name and then written.
"""

from __future__ import annotations

import uuid
from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field

from dns_records import rdata
from dns_records.images import Image, Key, dump
from dns_records.models import OwnerName, Record, RRset, Zone
from dnsorch import clock


@dataclass(frozen=True)
class Hint:
    """What a single-record request says about the record it makes."""

    record_id: uuid.UUID
    comment: str | None = None


@dataclass
class Locked:
    """The owner names a transaction has locked, with all their RRsets."""

    zone: Zone
    owners: dict[str, OwnerName]
    rrsets: dict[Key, RRset]
    records: dict[Key, list[Record]]
    hints: dict[tuple[Key, str], Hint] = field(default_factory=dict)

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
    OwnerName.objects.bulk_create(
        [OwnerName(zone=zone, name=name) for name in ordered], ignore_conflicts=True
    )
    locked = (
        OwnerName.objects.select_for_update()
        .filter(zone=zone, name__in=ordered)
        .order_by("name")
    )
    owners = {owner.name: owner for owner in locked}
    rows = RRset.objects.filter(zone=zone, name__in=ordered)
    rrsets = {Key(row.name, row.type): row for row in rows}
    records: dict[Key, list[Record]] = {key: [] for key in rrsets}
    keys = {row.pk: key for key, row in rrsets.items()}
    for record in Record.objects.filter(rrset__in=list(keys)):
        records[keys[record.rrset_id]].append(record)
    return Locked(zone, owners, rrsets, records)


def write(
    locked: Locked,
    images: Mapping[Key, Image | None],
    comments: Mapping[Key, str | None] | None = None,
    *,
    held: bool = False,
) -> None:
    """Make ``images`` the wanted state of their RRsets, in few statements.

    An RRset that is as it should be keeps its version. ``comments`` are of RRsets
    whose comment changes; what changes is applied too where the update server has
    ``held`` it already. ``locked`` is brought up to date, new RRsets included.
    """
    comments = comments or {}
    now = clock.now()
    new: list[RRset] = []
    changed: list[RRset] = []
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
            new.append(row)
        elif image != locked.image(key) or _other_comment(locked, key, comments):
            changed.append(row)
        else:
            continue
        row.version += 1
        row.present = image is not None
        row.ttl = image.ttl if image else row.ttl
        row.comment = comments.get(key, row.comment) if image else None
        row.applied = dump(image) if held else row.applied
        row.updated_at = now
    fields = ["version", "present", "ttl", "comment", "updated_at"]
    RRset.objects.bulk_create(new)
    RRset.objects.bulk_update(changed, [*fields, "applied"] if held else fields)
    _write_records(locked, images)
    _write_counters(locked, {key.name for key in images})


def _other_comment(
    locked: Locked, key: Key, comments: Mapping[Key, str | None]
) -> bool:
    """Say whether the comment of the RRset or of one of its records changes."""
    row = locked.rrsets[key]
    hints = (
        (locked.hints.get((key, each.rdata)), each) for each in locked.records[key]
    )
    return comments.get(key, row.comment) != row.comment or any(
        hint is not None and hint.comment != record.comment for hint, record in hints
    )


def _write_records(locked: Locked, images: Mapping[Key, Image | None]) -> None:
    now = clock.now()
    gone: list[uuid.UUID] = []
    moved: list[Record] = []
    new: list[Record] = []
    for key, image in images.items():
        there = {record.rdata: record for record in locked.records[key]}
        wanted = set(image.records) if image else set()
        leaving = {each.pk: each for text, each in there.items() if text not in wanted}
        kept = [each for text, each in there.items() if text in wanted]
        taken = {each.pk for each in kept}
        for record in kept:
            hint = locked.hints.get((key, record.rdata))
            if hint and hint.comment != record.comment:
                record.comment, record.updated_at = hint.comment, now
                moved.append(record)
        for text in sorted(wanted - set(there)):
            hint = locked.hints.get((key, text))
            if hint and hint.record_id in taken:
                hint = None  # that record is another one by now
            # A record that is given another value keeps its id.
            if hint and hint.record_id in leaving:
                record = leaving.pop(hint.record_id)
                moved.append(record)
            else:
                record = Record(rrset=locked.rrsets[key], created_at=now)
                record.pk = hint.record_id if hint else record.pk
                new.append(record)
            record.rdata = text
            record.digest = rdata.parse(key.type, text, zone=locked.zone.name).digest
            record.comment = hint.comment if hint else record.comment
            record.updated_at = now
            taken.add(record.pk)
            kept.append(record)
        gone += leaving
        locked.records[key] = kept
    if gone:
        Record.objects.filter(pk__in=gone).delete()
    Record.objects.bulk_update(moved, ["rdata", "digest", "comment", "updated_at"])
    Record.objects.bulk_create(new)


def _write_counters(locked: Locked, names: Iterable[str]) -> None:
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
        OwnerName.objects.filter(pk__in=owners).update(
            cname_rrsets=cname, other_rrsets=other
        )
