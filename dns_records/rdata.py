"""Rdata: from what a client wrote to one canonical text and wire form.

dnspython reads the presentation form and renders it again, so nothing but one record's
data gets through: no comment, directive, second line or parenthesis of a zone file.
Names inside come out in lower case and A-labels, for every type, which is a little
more than the canonical form of RFC 4034 section 6.2 asks and never changes a meaning.
Two records of one RRset are the same if and only if their ``wire`` is the same.
"""

from __future__ import annotations

import re
import struct
from dataclasses import dataclass
from functools import cached_property, lru_cache
from hashlib import sha256
from typing import Any

import dns.exception
import dns.name
import dns.rdata
import dns.rdataclass
import dns.rdatatype
import dns.rdtypes.ANY.CAA
import dns.rdtypes.txtbase
import dns.tokenizer

from dns_records import names, record_types, strictness
from dns_records.record_types import RecordType
from dnsorch.exceptions import Invalid, NameNotAbsolute

# A character string holds at most 255 octets (RFC 1035 section 3.3); rdata 65535.
_MAX_STRING = 255
_MAX_WIRE = 65_535
# Each octet may be written as \DDD; more text than that is no rdata.
_MAX_TEXT = 4 * _MAX_WIRE
# Longer values are not worth the memory of the cache.
_MAX_CACHED_TEXT = 512

_QUOTED_OR_ESCAPED = re.compile(r'"(?:[^"\\]|\\.)*"|\\.')
_ESCAPED = re.compile(r"\\.")
_CONTROL = re.compile(r"[\x00-\x08\x0a-\x1f\x7f]")
_SURROGATE = re.compile(r"[\ud800-\udfff]")
_BLANKS = " \t"


# What dnspython lets through from the numbers of a LOC.
NOT_SUCH_NUMBERS = (ArithmeticError, ValueError, struct.error)


class InvalidRdata(Invalid):
    """The value is not a right one for its record type."""

    code = "invalid_rdata"


@dataclass(frozen=True)
class Rdata:
    """One record's data: its type, canonical presentation text and canonical wire."""

    type: str
    text: str
    wire: bytes

    @property
    def wire_length(self) -> int:
        """The length of the rdata on the wire, in octets."""
        return len(self.wire)

    @cached_property
    def digest(self) -> str:
        """The hex SHA-256 of the type number (two octets) and the wire form."""
        number = record_types.lookup(self.type).number
        return sha256(number.to_bytes(2, "big") + self.wire).hexdigest()

    @cached_property
    def value(self) -> dns.rdata.Rdata:
        """The dnspython object, for its fields."""
        return _from_wire(record_types.lookup(self.type), self.wire)

    @cached_property
    def names(self) -> tuple[str, ...]:
        """The canonical names inside, in the order of the fields."""
        fields = record_types.lookup(self.type).names
        return tuple(getattr(self.value, field).to_text() for field in fields)


# base64 and hex in one piece.
_STYLE = dns.rdata.RdataStyle(base64_chunk_size=0, hex_chunk_size=0)


class _RelativeName(dns.exception.SyntaxError):
    """A name inside rdata does not end in a dot."""

    def __init__(self, text: str) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.text = text


class _Tokenizer(dns.tokenizer.Tokenizer):
    """Reads every name by the rules of :mod:`dns_records.names`.

    ``tail`` is what the last field was, if it may come in several pieces.
    """

    tail = ""

    def concatenate_remaining_identifiers(self, allow_empty: bool = False) -> str:
        """Return the rest of the pieces as one."""
        self.tail = super().concatenate_remaining_identifiers(allow_empty)
        return self.tail

    def as_name(
        self,
        token: dns.tokenizer.Token,
        origin: dns.name.Name | None = None,
        relativize: bool = False,
        relativize_to: dns.name.Name | None = None,
    ) -> dns.name.Name:
        """Return the absolute name that ``token`` is."""
        text = self.as_identifier(token)
        if text == "@":
            raise _RelativeName(text)
        name = names.parse(text)
        if not name.is_absolute():
            raise _RelativeName(text)
        return name


def parse(rtype: str, text: str, *, zone: str) -> Rdata:
    """Return the canonical form of ``text``, the value of a record of type ``rtype``.

    ``zone`` is the canonical name of the record's zone, for the advice in an error.
    Raises :class:`~dns_records.record_types.UnsupportedType`, :class:`InvalidRdata`,
    and :class:`~dnsorch.exceptions.NameNotAbsolute` for a name without a final dot.
    """
    read = _read_cached if len(text) <= _MAX_CACHED_TEXT else _read
    try:
        return read(rtype, text)
    except _RelativeName as exc:
        raise NameNotAbsolute(_absolute_advice(exc.text, zone)) from exc


def from_dnspython(value: dns.rdata.Rdata) -> Rdata:
    """Return the canonical form of rdata that dnspython has read, as from an answer.

    Raises :class:`~dns_records.record_types.UnsupportedType` for another type, and
    :class:`InvalidRdata` if the rdata does not survive its own wire form.
    """
    rtype = record_types.lookup(dns.rdatatype.to_text(value.rdtype))
    return _canonical(rtype, value)


def _read(rtype_name: str, text: str) -> Rdata:
    rtype = record_types.lookup(rtype_name)
    text = text.strip(_BLANKS)
    _check_text(rtype, text)
    read = _read_strings if rtype.strings else _read_fields
    try:
        value = read(rtype, text)
    except _RelativeName:
        raise
    except dns.exception.DNSException as exc:
        raise _invalid(rtype, text, _why(rtype, exc)) from exc
    except NOT_SUCH_NUMBERS as exc:
        raise _invalid(rtype, text, "") from exc
    try:
        return _canonical(rtype, value)
    except (dns.exception.DNSException, *NOT_SUCH_NUMBERS) as exc:
        raise _invalid(rtype, text, "") from exc


def _why(rtype: RecordType, error: dns.exception.DNSException) -> str:
    """Return what dnspython's error says beyond what is expected."""
    # A refused name comes out wrapped by dnspython; its sentence says the most.
    if isinstance(error.__cause__, names.InvalidName):
        return error.__cause__.detail
    # Parameters have rules of their own, which dnspython names.
    return f"Refused: {error}." if rtype.parameters else ""


_read_cached = lru_cache(maxsize=16_384)(_read)


def _check_text(rtype: RecordType, text: str) -> None:
    """Raise :class:`InvalidRdata` for text that is no value of any type."""
    if not text:
        raise _invalid(rtype, text, "The value is empty.")
    if len(text) > _MAX_TEXT:
        raise _invalid(rtype, text, f"A value has at most {_MAX_WIRE} octets.")
    if control := _CONTROL.search(text):
        written = f"\\{ord(control.group()):03d}"
        why = f"It contains a control character, in a string written {written}."
        raise _invalid(rtype, text, why)
    if _SURROGATE.search(text):
        raise _invalid(rtype, text, "It contains half of a surrogate pair.")
    if text.startswith("\\#") and not rtype.generic:
        raise _invalid(rtype, text, "The generic form of RFC 3597 is not taken.")


def _check_syntax(rtype: RecordType, text: str) -> None:
    """Raise :class:`InvalidRdata` for what only a zone file may contain."""
    plain = _QUOTED_OR_ESCAPED.sub("", text)
    if ";" in plain:
        raise _invalid(rtype, text, "';' starts a comment unless it is quoted.")
    if "(" in plain or ")" in plain:
        raise _invalid(rtype, text, "Parentheses are taken only inside quotes.")


def _read_fields(rtype: RecordType, text: str) -> dns.rdata.Rdata:
    """Return what dnspython reads; raise its errors."""
    _check_syntax(rtype, text)
    tokenizer = _Tokenizer(text)
    value = dns.rdata.from_text(
        dns.rdataclass.IN, _rdtype(rtype), tokenizer, relativize=False
    )
    if why := strictness.refusal(value, text, rtype.binary, tokenizer.tail):
        raise _invalid(rtype, text, why)
    return value


def _read_strings(rtype: RecordType, text: str) -> dns.rdata.Rdata:
    """Return rdata of character strings, each split after 255 octets.

    Text that does not start with a quote is one string to its end, spaces included,
    as people write SPF and DKIM values. Characters beyond ASCII are stored as UTF-8.
    """
    if text.startswith('"'):
        _check_syntax(rtype, text)
    elif '"' in _ESCAPED.sub("", text):
        raise _invalid(rtype, text, 'Inside a bare text a quote is written \\".')
    else:
        text = f'"{text}"'
    strings: list[bytes] = []
    for token in dns.tokenizer.Tokenizer(text).get_remaining():
        if not token.is_quoted_string():
            raise _invalid(rtype, text, "Either all of the strings are quoted or none.")
        octets: bytes = token.unescape_to_bytes().value
        starts = range(0, len(octets), _MAX_STRING) or (0,)
        strings.extend(octets[start : start + _MAX_STRING] for start in starts)
    return dns.rdtypes.txtbase.TXTBase(dns.rdataclass.IN, _rdtype(rtype), strings)


def _canonical(rtype: RecordType, value: dns.rdata.Rdata) -> Rdata:
    """Return the canonical form, after a round trip through the wire."""
    value = strictness.rounded(value)
    if changes := _canonical_fields(rtype, value):
        value = value.replace(**changes)
    wire = value.to_digestable()
    if len(wire) > _MAX_WIRE:
        raise InvalidRdata(
            f"The value has {len(wire)} octets on the wire; at most {_MAX_WIRE} fit."
        )
    again = _from_wire(rtype, wire)
    if again.to_digestable() != wire:
        raise InvalidRdata(
            f"The value {names.quoted(value.to_text())} does not come back the same"
            " from its wire form."
        )
    found = Rdata(rtype.name, again.to_styled_text(_STYLE).strip(), wire)
    found.__dict__["value"] = again  # the rules ask for it, and it is here already
    return found


def _canonical_fields(rtype: RecordType, value: dns.rdata.Rdata) -> dict[str, Any]:
    """Return the fields that are not in canonical form yet, as they should be."""
    wanted: dict[str, Any] = {
        field: getattr(value, field).canonicalize() for field in rtype.names
    }
    changes = {
        field: name
        for field, name in wanted.items()
        if name.labels != getattr(value, field).labels  # == would ignore case
    }
    if isinstance(value, dns.rdtypes.ANY.CAA.CAA) and not value.tag.islower():
        # Tags are matched without regard to case (RFC 8659 section 4.1).
        changes["tag"] = value.tag.lower()
    return changes


def _rdtype(rtype: RecordType) -> dns.rdatatype.RdataType:
    return dns.rdatatype.RdataType.make(rtype.number)


def _from_wire(rtype: RecordType, wire: bytes) -> dns.rdata.Rdata:
    return dns.rdata.from_wire(dns.rdataclass.IN, _rdtype(rtype), wire, 0, len(wire))


def _invalid(rtype: RecordType, text: str, why: str) -> InvalidRdata:
    """Return the error that says what was expected, with an example."""
    detail = (
        f"{names.quoted(text)} is not a value of type {rtype.name}: expected"
        f" {rtype.expected}, for example {names.quoted(rtype.example)}."
    )
    return InvalidRdata(f"{detail} {why}" if why else detail)


def _absolute_advice(text: str, zone: str) -> str:
    """Return the sentence that shows how to write the relative name ``text``."""
    if text == "@":
        return f"'@' is not taken inside a value: write '{zone}'."
    start = f"The name {names.quoted(text)} in the value does not end in a dot: write"
    full, in_zone = f"'{text}.'", f"'{text}.{zone}'"
    if f".{text}.".lower().endswith(f".{zone}"):
        return f"{start} {full}."
    if "." in text:
        return f"{start} {full}, or {in_zone} if it is in this zone."
    return f"{start} {in_zone} for the name in this zone, {full} for a top-level name."
