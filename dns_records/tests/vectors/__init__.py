"""What clients write for each type, and what becomes of it: one TOML file a type.

Made from the RFCs that the table of types names, none of them copied.
"""

from __future__ import annotations

import tomllib
from functools import cache
from pathlib import Path
from typing import Literal, NamedTuple

from dns_records.record_types import RECORD_TYPES

#: The types that have vectors: all by name, and one without.
TYPES = (*RECORD_TYPES, "TYPE65280")
FOLDER = Path(__file__).parent


class Vector(NamedTuple):
    """A value of a type, and its canonical form or what is said against it."""

    type: str
    text: str
    wanted: str


@cache
def _read(rtype: str) -> dict[str, list[list[str]]]:
    found: dict[str, list[list[str]]] = tomllib.loads(
        (FOLDER / f"{rtype}.toml").read_text(encoding="utf-8")
    )
    return found


def valid(rtype: str) -> list[Vector]:
    """Return values that are taken, with their canonical forms."""
    return [Vector(rtype, text, wanted) for text, wanted in _read(rtype)["valid"]]


def invalid(rtype: str) -> list[Vector]:
    """Return values that are refused, with a code or a part of the detail."""
    return [Vector(rtype, text, wanted) for text, wanted in _read(rtype)["invalid"]]


def canonical(rtype: str) -> list[str]:
    """Return the canonical forms, each once."""
    return list(dict.fromkeys(vector.wanted for vector in valid(rtype)))


def every(kind: Literal["valid", "invalid"]) -> list[Vector]:
    """Return the vectors of a kind, of all types."""
    read = valid if kind == "valid" else invalid
    return [vector for rtype in TYPES for vector in read(rtype)]
