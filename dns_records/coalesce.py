"""Many changes, one message: each RRset once, in its latest image.

Pure. Changes keep the order of acceptance; an earlier image of an RRset that a
later one in the same message replaces never reaches DNS.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from dns_records import rdata
from dns_records.images import Image, Key

# One message holds 65535 octets (RFC 1035 section 4.2.2); the rest is for the header,
# the zone, the marker and the signature.
MAX_OCTETS = 64_000
# Type, class, TTL and length of a resource record (RFC 1035 section 3.2.1).
_FIXED_OCTETS = 10


@dataclass(frozen=True)
class Wanted:
    """A change as the lane sees it: its id, its RRset, the image it leaves."""

    change_id: int
    key: Key
    image: Image | None


@dataclass(frozen=True)
class Message:
    """The RRsets of one UPDATE, and which change each earlier one gave way to."""

    images: Mapping[Key, Image | None]
    superseded: Mapping[int, int]


def octets(key: Key, image: Image | None) -> int:
    """Return an upper bound of what an RRset's image takes in an UPDATE message.

    One record deletes the RRset, one adds each record; names are not compressed.
    """
    owner = len(key.name) + 1
    records = image.records if image else ()
    size = owner + _FIXED_OCTETS
    for text in records:
        wire = rdata.parse(key.type, text, zone=key.name).wire_length
        size += owner + _FIXED_OCTETS + wire
    return size


def parts(names: Iterable[tuple[Sequence[Key], int]], most: int) -> Iterator[list[Key]]:
    """Put RRsets together so that each part fits into a message, and no name is cut.

    ``names`` are the RRsets of each name, and how many octets they take; ``most`` is
    how many RRsets a part has at the most, but for a name that has more.
    """
    part: list[Key] = []
    total = 0
    for own, size in names:
        if part and (total + size > MAX_OCTETS or len(part) + len(own) > most):
            yield part
            part, total = [], 0
        part += own
        total += size
    if part:
        yield part


def coalesce(changes: Iterable[Wanted]) -> Message:
    """Return the latest image per RRset of ``changes``, in order of acceptance."""
    images: dict[Key, Image | None] = {}
    by_key: dict[Key, list[int]] = {}
    for change in changes:
        images[change.key] = change.image
        by_key.setdefault(change.key, []).append(change.change_id)
    superseded = {earlier: ids[-1] for ids in by_key.values() for earlier in ids[:-1]}
    return Message(images, superseded)
