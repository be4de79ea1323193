"""Strict JSON: what is ambiguous or cannot be passed on is refused, precisely."""

from __future__ import annotations

import json
from typing import Any, Final, Never

from kafka_bridge.exceptions import InvalidJSON, NestingTooDeep, NotUTF8

MAX_DEPTH: Final = 64


def parse(octets: bytes) -> Any:
    """Return the JSON value in ``octets``.

    Raises:
        NotUTF8: with the offset of the first bad octet.
        InvalidJSON: not RFC 8259, a key twice in one object, NaN or Infinity, NUL or
            a lone surrogate in a string.
        NestingTooDeep: more than 64 levels.
    """
    try:
        text = octets.decode("utf-8")
    except UnicodeDecodeError as error:
        raise NotUTF8(f"octet {error.start} of the value is not UTF-8") from error
    try:
        value = json.loads(
            text, object_pairs_hook=_object, parse_constant=_refuse_constant
        )
    except json.JSONDecodeError as error:
        raise InvalidJSON(
            f"line {error.lineno}, column {error.colno}: {error.msg}"
        ) from error
    except RecursionError as error:
        raise NestingTooDeep(_too_deep()) from error
    except ValueError as error:
        # An integer of more digits than Python converts (sys.int_info).
        raise InvalidJSON("a number has too many digits") from error
    _check(value)
    return value


def encode(value: Any) -> bytes:
    """Return ``value`` as compact JSON in UTF-8.

    Raises:
        InvalidJSON: a number is beyond what JSON can carry (1e999 parses to infinity).
    """
    try:
        return json.dumps(
            value, ensure_ascii=False, allow_nan=False, separators=(",", ":")
        ).encode()
    except ValueError as error:
        raise InvalidJSON("a number is out of range") from error


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    if len(members) < len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise InvalidJSON(f"the member {twice!r} stands twice in one object")
    return members


def _refuse_constant(text: str) -> Never:
    raise InvalidJSON(f"{text} is not JSON")


def _too_deep() -> str:
    return f"the value is nested deeper than {MAX_DEPTH} levels"


def _check(value: Any) -> None:
    """Refuse what the API would refuse together with a whole batch.

    Iterative: the depth of the value is the sender's choice.
    """
    rest: list[tuple[Any, int]] = [(value, 1)]
    while rest:
        item, depth = rest.pop()
        if isinstance(item, str):
            _check_text(item)
        elif isinstance(item, dict | list):
            if depth > MAX_DEPTH:
                raise NestingTooDeep(_too_deep())
            if isinstance(item, dict):
                for name in item:
                    _check_text(name)
                item = list(item.values())
            rest.extend((member, depth + 1) for member in item)


def _check_text(text: str) -> None:
    if "\0" in text:
        raise InvalidJSON("a string contains NUL (U+0000)")
    if any("\ud800" <= character <= "\udfff" for character in text):
        raise InvalidJSON("a string contains a lone surrogate")
