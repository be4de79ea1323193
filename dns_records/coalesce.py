"""Many changes, one message: each RRset once, in its latest image.

Pure. Changes keep the order of acceptance; an earlier image of an RRset that a
later one in the same message replaces never reaches DNS.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from dns_records.plan import Image, Key


@dataclass(frozen=True)
class Wanted:
    """A change as the lane sees it: its id, its RRset, the image it leaves."""

    change_id: int
    key: Key
    image: Image | None
    fallback_ttl: int = 0


@dataclass(frozen=True)
class Message:
    """The RRsets of one UPDATE, and which change each earlier one gave way to."""

    images: Mapping[Key, Image | None]
    superseded: Mapping[int, int]


def coalesce(changes: Iterable[Wanted]) -> Message:
    """Return the latest image per RRset of ``changes``, in order of acceptance."""
    images: dict[Key, Image | None] = {}
    by_key: dict[Key, list[int]] = {}
    for change in changes:
        images[change.key] = change.image
        by_key.setdefault(change.key, []).append(change.change_id)
    superseded = {
        earlier: ids[-1] for ids in by_key.values() for earlier in ids[:-1]
    }
    return Message(images, superseded)
