"""What an RRset is at one moment, and what is worth saying about it. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple


class Key(NamedTuple):
    """An RRset's name and type, both canonical."""

    name: str
    type: str


@dataclass(frozen=True)
class Image:
    """What an RRset is at one moment: a TTL and canonical rdata, sorted.

    ``ttl`` is in seconds. An absent RRset has no image.
    """

    ttl: int
    records: tuple[str, ...]

    @classmethod
    def of(cls, ttl: int, records: Iterable[str]) -> Image | None:
        """Return the image of these records, None where there are none."""
        ordered = tuple(sorted(set(records)))
        return cls(ttl, ordered) if ordered else None

    @classmethod
    def load(cls, data: Mapping[str, Any] | None) -> Image | None:
        """Return the image that :func:`dump` wrote."""
        return None if data is None else cls(data["ttl"], tuple(data["records"]))


def dump(image: Image | None) -> dict[str, Any] | None:
    """Return the JSON form ``{"ttl", "records"}`` of an image, None if absent."""
    return None if image is None else {"ttl": image.ttl, "records": [*image.records]}


@dataclass(frozen=True)
class Notice:
    """Something worth knowing that does not stop a change.

    ``pointer`` is the place in the body that it is about (RFC 6901).
    """

    code: str
    detail: str
    pointer: str = ""

    def as_dict(self) -> dict[str, str]:
        """Return the JSON form."""
        return {"code": self.code, "detail": self.detail, "pointer": self.pointer}
