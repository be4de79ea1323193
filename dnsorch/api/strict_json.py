"""JSON, read strictly: what one reader could take otherwise than another is refused.

RFC 8259 leaves duplicate names, lone surrogates and huge numbers to the reader; I-JSON
(RFC 7493) forbids them. NUL is refused too: PostgreSQL's text cannot hold it.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from typing import Any

from dnsorch.exceptions import Invalid, Reason

MAX_DEPTH = 64
#: Characters of a member's name: ours have fewer, and errors quote them.
MAX_NAME = 255

# The way to a value: that to its parent, and its own name or number there.
_Way = tuple["_Way", "str | int"] | None


class MalformedBody(Invalid):
    """The body is not JSON that can be read in one way only (RFC 8259, RFC 7493)."""

    code = "malformed_body"


class _Duplicate:
    """Stands where an object was that names a member twice."""

    def __init__(self, key: str) -> None:
        self.key = key


def loads(raw: bytes) -> Any:
    """Return the value of the JSON text ``raw``.

    Raises:
        MalformedBody: with one reason; its pointer says where, or its detail names
            line and column where no pointer can.
    """
    text = _decode(raw)
    try:
        value = json.loads(
            text,
            object_pairs_hook=_object,
            parse_constant=_constant,
            parse_float=_float,
            parse_int=_int,
        )
    except json.JSONDecodeError as exc:
        raise _malformed(
            "invalid_json", f"{exc.msg} (line {exc.lineno}, column {exc.colno})"
        ) from None
    except RecursionError:
        raise _too_deep("") from None
    _check(value)
    return value


def pointer(*parts: str | int) -> str:
    """Return the JSON pointer (RFC 6901) of ``parts``, escaped."""
    return "".join(
        "/" + str(part).replace("~", "~0").replace("/", "~1") for part in parts
    )


def _decode(raw: bytes) -> str:
    try:
        return raw.decode("utf-8")
    except UnicodeDecodeError as exc:
        before = raw[: exc.start]
        line = before.count(b"\n") + 1
        column = exc.start - (before.rfind(b"\n") + 1) + 1
        raise _malformed(
            "invalid_utf8", f"not UTF-8 (line {line}, octet {column})"
        ) from None


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any] | _Duplicate:
    value = dict(pairs)
    if len(value) == len(pairs):
        return value
    seen: set[str] = set()
    for name, _ in pairs:
        if name in seen:
            break
        seen.add(name)
    return _Duplicate(name)


def _constant(name: str) -> Any:
    raise _malformed("invalid_number", f"{name} is not a JSON number")


def _float(text: str) -> float:
    value = float(text)
    if not math.isfinite(value):
        raise _malformed("invalid_number", f"{text[:32]} is out of range")
    return value


def _int(text: str) -> int:
    # Longer ones cost quadratic time, and nothing of ours is that large.
    if len(text) > 40:
        raise _malformed("invalid_number", f"{text[:32]}… is out of range")
    return int(text)


def _check(value: Any) -> None:
    """Walk the whole value, without recursion, and raise for the first fault."""
    todo: list[tuple[_Way, int, Any]] = [(None, 1, value)]
    while todo:
        way, depth, item = todo.pop()
        if isinstance(item, str):
            _check_text(way, item)
        elif isinstance(item, _Duplicate):
            _check_name(way, item.key)
            where = _pointer((way, item.key))
            raise _malformed("duplicate_key", "named twice in one object", where)
        elif isinstance(item, dict | list):
            if depth > MAX_DEPTH:
                raise _too_deep(_pointer(way))
            todo.extend(((way, k), depth + 1, v) for k, v in _items(way, item))


def _items(
    way: _Way, item: dict[str, Any] | list[Any]
) -> Iterator[tuple[str | int, Any]]:
    if isinstance(item, list):
        yield from enumerate(item)
        return
    for key, value in item.items():
        _check_name(way, key)
        yield key, value


def _pointer(way: _Way) -> str:
    # Made of the one value that is wrong: made of each, the pointers of many values
    # with long ways are a million times the body.
    parts: list[str | int] = []
    while way is not None:
        way, part = way
        parts.append(part)
    return pointer(*reversed(parts))


def _check_name(way: _Way, name: str) -> None:
    if len(name) > MAX_NAME:
        detail = f"the name {name[:32]}… has more than {MAX_NAME} characters"
        raise _malformed("name_too_long", detail, _pointer(way))
    _check_text(way, name)


def _check_text(way: _Way, text: str) -> None:
    if "\0" in text:
        detail = "has the character NUL (U+0000)"
        raise _malformed("invalid_character", detail, _pointer(way))
    if text.isascii():
        return
    try:
        text.encode("utf-8")
    except UnicodeEncodeError as exc:
        code = f"U+{ord(text[exc.start]):04X}"
        detail = f"has the lone surrogate {code}"
        raise _malformed("invalid_character", detail, _pointer(way)) from None


def _too_deep(at: str) -> MalformedBody:
    return _malformed("too_deep", f"nested deeper than {MAX_DEPTH} levels", at)


def _malformed(code: str, detail: str, at: str = "") -> MalformedBody:
    where = f"{at}: " if at else ""
    return MalformedBody(where + detail, reasons=(Reason(at, code, detail),))
