"""The options of a backend: what a provider declares, and what a backend gives."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from dns_records.providers.errors import Misconfigured

REQUIRED: Any = object()


@dataclass(frozen=True)
class Option:
    """One option of a backend: the type of its value, its default, what it means."""

    type: type
    help: str
    default: Any = REQUIRED


def checked(given: Mapping[str, Any], options: Mapping[str, Option]) -> dict[str, Any]:
    """Return the value of each option, as given or by default.

    Raises:
        Misconfigured: one is unknown, missing or of another type; the message names it.
    """
    unknown = sorted(set(given) - set(options))
    if unknown:
        known = ", ".join(options)
        raise Misconfigured(f"unknown option {unknown[0]!r}; there are: {known}")
    values = {}
    for name, option in options.items():
        value = given.get(name, option.default)
        if value is REQUIRED:
            raise Misconfigured(f"option {name!r} is missing: {option.help}")
        # JSON writes 5.0 as 5; a boolean is an int to Python, not to us.
        if option.type is float and type(value) is int:
            value = float(value)
        if name in given and type(value) is not option.type:
            raise Misconfigured(
                f"option {name!r} must be {option.type.__name__}, "
                f"not {type(value).__name__}"
            )
        values[name] = value
    return values
