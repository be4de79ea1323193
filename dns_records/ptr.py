"""PTR records that go with addresses: where they belong, and what becomes of them.

RFC 1035 section 3.5 and RFC 3596 section 2.5 name the places, RFC 2317 those of
networks that are smaller than an octet. Pure: no database, network, clock.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Final

import dns.reversename

from dns_records import names
from dns_records.images import Image, Key, Notice
from dns_records.plan import Expectation, Operation

#: The types whose records are addresses.
ADDRESSES: Final = frozenset({"A", "AAAA"})
# RFC 2317 section 4: a range "0-63", or a network "0/26".
_RANGE = re.compile(r"([0-9]{1,3})-([0-9]{1,3})")
_NETWORK = re.compile(r"([0-9]{1,3})/(2[5-9]|3[0-2])")


@dataclass(frozen=True)
class Place:
    """Where the PTR record of an address belongs."""

    zone: str
    name: str


@dataclass(frozen=True)
class Wish:
    """An address of ``target`` that shall have a PTR record, or no longer.

    ``ttl`` is in seconds; ``pointer`` is the place in the body that asks for it.
    ``expires_at`` is when it goes by itself, None for never; with ``keeps_life`` the
    request does not say so.
    """

    address: str
    target: str
    ttl: int
    gone: bool = False
    pointer: str = ""
    expires_at: datetime | None = None
    keeps_life: bool = True


def reverse_name(address: str) -> str:
    """Return the name below in-addr.arpa or ip6.arpa that stands for an address."""
    return dns.reversename.from_address(address).to_text()


def classless_range(zone: str, parent: str) -> range | None:
    """Return which last octets a classless zone right below ``parent`` is for.

    None for any other zone.
    """
    if not zone.endswith(f".{parent}"):
        return None
    label = zone.removesuffix(f".{parent}")
    if match := _RANGE.fullmatch(label):
        first, last = int(match[1]), int(match[2])
        return range(first, last + 1) if first <= last <= 255 else None
    if match := _NETWORK.fullmatch(label):
        first, size = int(match[1]), 2 ** (32 - int(match[2]))
        return range(first, first + size) if first % size == 0 and first < 256 else None
    return None


def place(address: str, zones: Collection[str]) -> Place | None:
    """Return where the PTR record of ``address`` belongs, None if in none of ``zones``.

    A classless zone whose range holds the address is nearer than the zones above it.
    """
    reverse = reverse_name(address)
    if reverse.endswith(".in-addr.arpa."):
        last, _, parent = reverse.partition(".")
        ranges = {zone: classless_range(zone, parent) for zone in zones}
        holding = [
            (len(octets), zone)
            for zone, octets in ranges.items()
            if octets is not None and int(last) in octets
        ]
        if holding:
            _, nearest = min(holding)
            return Place(nearest, f"{last}.{nearest}")
    for suffix in names.suffixes(reverse):
        if suffix in zones:
            return Place(suffix, reverse)
    return None


def decide(
    key: Key, found: Image | None, wishes: Sequence[Wish]
) -> tuple[Operation | None, list[Notice]]:
    """Return what becomes of the PTR RRset ``key``, and what its askers should know.

    ``found`` is what is wanted there now. A PTR RRset that is not all of the one who
    asks is somebody else's, and stays.
    """
    notices: list[Notice] = []
    image = found
    for wish in sorted(wishes, key=lambda wish: (not wish.gone, wish.target)):
        own = Image.of(wish.ttl, [wish.target])
        if wish.gone:
            if image is not None and image.records == (wish.target,):
                image = None
            elif image is not None and wish.target in image.records:
                notices.append(_taken(key, image, wish))
        elif image is None:
            image = own
        elif image.records != (wish.target,):
            notices.append(_taken(key, image, wish))
    return _operation(key, found, image), notices


def _operation(key: Key, found: Image | None, image: Image | None) -> Operation | None:
    if (found and found.records) == (image and image.records):
        return None
    # Planned anew after an earlier change was taken out, it must not hit another's.
    expected = Expectation(found.records if found else None)
    operation = Operation("create", key, expected=expected)
    if image is None:
        return replace(operation, action="delete")
    action = "replace" if found else "create"
    return replace(operation, action=action, ttl=image.ttl, records=image.records)


def living(
    operation: Operation | None,
    key: Key,
    found: Image | None,
    ends: Mapping[str, datetime | None],
    wishes: Sequence[Wish],
) -> Operation | None:
    """Return an operation on a PTR RRset that gives its record its address's life.

    ``operation`` is what :func:`decide` has become of it; ``ends`` are those of the
    records that are wanted there now.
    """
    left = operation.records if operation else found.records if found else ()
    for wish in wishes:
        if wish.gone or wish.keeps_life or left != (wish.target,):
            continue
        life = {wish.target: wish.expires_at}
        if operation is not None:
            return replace(operation, expires=life)
        if found is not None and ends.get(wish.target) != wish.expires_at:
            expected = Expectation(left)
            return Operation("put", key, found.ttl, left, expected, expires=life)
    return operation


def _taken(key: Key, image: Image, wish: Wish) -> Notice:
    targets = ", ".join(image.records)
    return Notice(
        "ptr_taken",
        f"{key.name} PTR points to {targets}: it is left alone and does not follow "
        f"{wish.target}",
        wish.pointer,
    )


def missing(wishes: Iterable[Wish]) -> list[Notice]:
    """Return what is said of addresses whose reverse zone is not registered."""
    return [
        Notice(
            "no_reverse_zone",
            f"no registered zone holds {reverse_name(wish.address)}: "
            f"{wish.address} gets no PTR record",
            wish.pointer,
        )
        for wish in wishes
        if not wish.gone
    ]
