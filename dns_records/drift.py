"""What a zone's update server holds beside what it should hold. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from dns_records.images import Image, Key, dump
from dns_records.names import RESERVED_LABEL

Kind = Literal["missing", "different", "extra"]

# Made by a server that signs (RFC 4034 and 5155; the last is BIND's own).
DNSSEC = frozenset({"RRSIG", "NSEC", "NSEC3", "NSEC3PARAM", "TYPE65534"})
# Published by signers, and by people (RFC 8901, RFC 7344): who did tells the rest.
PUBLISHED_BY_SIGNERS = frozenset({"CDNSKEY", "CDS", "DNSKEY"})


@dataclass(frozen=True)
class Difference:
    """One RRset of which the server holds something else.

    ``missing`` and ``different`` can be restored; what was deleted through dnsorch and
    is there again is ``different``, with nothing wanted. ``extra`` is what dnsorch
    never wrote: not its own to delete.
    """

    key: Key
    kind: Kind
    wanted: Image | None
    served: Image | None

    def as_dict(self) -> dict[str, Any]:
        """Return the JSON form."""
        return {
            "name": self.key.name,
            "type": self.key.type,
            "kind": self.kind,
            "wanted": dump(self.wanted),
            "served": dump(self.served),
        }

    def __str__(self) -> str:
        texts = [
            "nothing" if image is None else f"{image.ttl} {' '.join(image.records)}"
            for image in (self.wanted, self.served)
        ]
        return (
            f"{self.kind:<9} {self.key.name} {self.key.type}: "
            f"wanted {texts[0]}, served {texts[1]}"
        )


class Served:
    """What a server holds, collected as it is read."""

    def __init__(self, zone: str) -> None:
        """Begin with nothing."""
        self._zone = zone
        self._parts: dict[Key, tuple[int, set[str]]] = {}

    def add(self, key: Key, ttl: int, records: Iterable[str]) -> None:
        """Take a part of an RRset, unless it is the server's own affair."""
        if not is_compared(self._zone, key):
            return
        _, texts = self._parts.setdefault(key, (ttl, set()))
        texts.update(records)

    def images(self) -> dict[Key, Image]:
        """Return what it holds, RRset by RRset."""
        return {
            key: Image(ttl, tuple(sorted(texts)))
            for key, (ttl, texts) in self._parts.items()
        }


def is_compared(zone: str, key: Key) -> bool:
    """Say whether an RRset is compared: the marker and what a server makes are not."""
    if key.type == "SOA" or key.type in DNSSEC:
        return False
    if key.name == zone and key.type == "NS":
        return False
    return key.name != f"{RESERVED_LABEL}.{zone}"


def compare(
    applied: Mapping[Key, Image],
    served: Mapping[Key, Image],
    own: Iterable[Key] = (),
) -> list[Difference]:
    """Return how ``served`` differs from ``applied``, sorted by name and type.

    ``own`` are RRsets that dnsorch wrote at some time and has deleted since. What
    signers publish is left out unless dnsorch once wrote it.
    """
    deleted = set(own)
    found = []
    for key in sorted({*applied, *served}):
        wanted, there = applied.get(key), served.get(key)
        if wanted == there:
            continue
        kind: Kind = "different"
        if there is None:
            kind = "missing"
        elif wanted is None and key not in deleted:
            if key.type in PUBLISHED_BY_SIGNERS:
                continue
            kind = "extra"
        found.append(Difference(key, kind, wanted, there))
    return found
