"""What a zone's update server holds beside what it should hold. Pure."""

from __future__ import annotations

from dataclasses import dataclass, replace
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


def is_compared(zone: str, key: Key) -> bool:
    """Say whether an RRset is compared: the marker and what a server makes are not."""
    if key.type == "SOA" or key.type in DNSSEC:
        return False
    if key.name == zone and key.type == "NS":
        return False
    return key.name != f"{RESERVED_LABEL}.{zone}"


def difference(
    key: Key, wanted: Image | None, served: Image | None
) -> Difference | None:
    """Return how an RRset differs, None if it does not.

    What is wanted to be absent is ``extra``: whether dnsorch has deleted it, the caller
    knows (:func:`ours`).
    """
    if wanted == served:
        return None
    kind: Kind = "different"
    if served is None:
        kind = "missing"
    elif wanted is None:
        kind = "extra"
    return Difference(key, kind, wanted, served)


def ours(found: Difference) -> Difference:
    """Return the difference of an RRset that dnsorch wrote once and has deleted."""
    return replace(found, kind="different")


def is_of_signers(found: Difference) -> bool:
    """Say whether a signing server may have put there what dnsorch never wrote."""
    return found.kind == "extra" and found.key.type in PUBLISHED_BY_SIGNERS
