"""Domain names: as clients write them, and as dnsorch keeps them.

Canonical text is absolute, in lower case, in A-labels, with the escapes of RFC 1035
section 5.1 as dnspython writes them (``www.example.test.``). Two names are the same
name if and only if their canonical texts are equal, so the database may compare text.

dnspython reads escapes and counts octets; IDNA 2008 with the mapping of UTS 46 turns
U-labels into A-labels. An A-label that a client sends is taken as it is, since DNS
itself gives no meaning to its octets.
"""

from __future__ import annotations

import re
from functools import lru_cache

import dns.exception
import dns.name
import idna

from dnsorch.exceptions import Invalid, ReservedName

#: The label below a zone's apex where dnsorch keeps its own marker record.
RESERVED_LABEL = "_dnsorch"

# 255 octets, each written as \DDD, and the dots between them: nothing longer is a name.
_MAX_TEXT = 1100
_ESCAPE = re.compile(r"\\([0-9]{3}|.)", re.DOTALL)
_SPECIAL = re.compile(r'[ "();@$]')
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")
_HOST_LABEL = re.compile(r"[a-z0-9]([a-z0-9-]*[a-z0-9])?")
_A_LABEL_PREFIX = b"xn--"


class InvalidName(Invalid):
    """The name is not a domain name."""

    code = "invalid_name"


class OutOfZone(Invalid):
    """The name is not in the zone."""

    code = "out_of_zone"


class _Codec(dns.name.IDNA2008Codec):
    """Reads U-labels by UTS 46 and IDNA 2008, writes only those that read back."""

    def __init__(self) -> None:
        super().__init__(uts_46=True, allow_pure_ascii=True)

    def decode(self, label: bytes) -> str:
        if not label:
            return ""
        return _u_label(label) or dns.name.Name([label]).to_text()


def _u_label(label: bytes) -> str | None:
    """Return the U-label of a valid A-label, None for any other label."""
    if not label.startswith(_A_LABEL_PREFIX):
        return None
    try:
        return idna.ulabel(label)  # refuses what does not encode back to the label
    except UnicodeError:  # idna.IDNAError is one
        return None


_CODEC = _Codec()


def quoted(text: str) -> str:
    """Return ``text`` as a sentence shows it: quoted, printable, about 80 characters.

    Backslashes stay single, as the reader has to write them.
    """
    short = text if len(text) <= 80 else text[:79] + "…"
    shown = (c if c.isprintable() else f"<U+{ord(c):04X}>" for c in short)
    return f"'{''.join(shown)}'"


def parse(text: str) -> dns.name.Name:
    """Return ``text`` as a lower-case dnspython name, relative without a final dot.

    Raises :class:`InvalidName`. ``@`` is not a name here: what it stands for is for
    the caller to say.
    """
    if not text:
        raise InvalidName("The name is empty; the apex of a zone is written '@'.")
    if len(text) > _MAX_TEXT:
        raise InvalidName(f"{quoted(text)} is longer than the 255 octets of a name.")
    _check_characters(text)
    try:
        name = dns.name.from_text(text, origin=None, idna_codec=_CODEC)
    except dns.exception.DNSException as exc:
        raise InvalidName(f"{quoted(text)} {_reason(exc)}.") from exc
    if any(_CONTROL.search(label.decode("latin-1")) for label in name.labels):
        raise InvalidName(f"{quoted(text)} contains a control character.")
    return name.canonicalize()


def _check_characters(text: str) -> None:
    """Raise :class:`InvalidName` for characters that do not mean themselves."""
    if _CONTROL.search(text):
        raise InvalidName(f"{quoted(text)} contains a control character.")
    if special := _SPECIAL.search(_ESCAPE.sub("", text)):
        character = special.group()
        wanted = r"\032" if character == " " else rf"\{character}"
        raise InvalidName(
            f"{quoted(text)} contains {quoted(character)}, which has a meaning of"
            f" its own in zone files; as part of a label it is written {wanted}."
        )
    if not text.isascii() and any(
        len(escape) == 3 and int(escape) > 127 for escape in _ESCAPE.findall(text)
    ):
        # dnspython would read the escape as a character here, as an octet elsewhere.
        raise InvalidName(
            f"{quoted(text)} mixes non-ASCII characters with escapes above \\127;"
            " write the name in A-labels or in escapes only."
        )


def _reason(exc: dns.exception.DNSException) -> str:
    """Return what dnspython found wrong with a name, as the end of a sentence."""
    match exc:
        case dns.name.EmptyLabel():
            return "has an empty label: two dots in a row, or a dot at the start"
        case dns.name.LabelTooLong():
            return "has a label longer than 63 octets"
        case dns.name.NameTooLong():
            return "is longer than the 255 octets of a name"
        case dns.name.BadEscape():
            return (
                "has a bad escape: a backslash is followed by one character or by"
                " three digits from 000 to 255"
            )
        case dns.name.IDNAException():
            why = exc.kwargs["idna_exception"]
            return f"is not a valid internationalised name (IDNA 2008): {why}"
        case _:
            return f"is not a domain name: {exc}"


def _check_wildcard(name: dns.name.Name, text: str, *, allowed: bool) -> None:
    """Raise :class:`InvalidName` unless ``*`` stands alone and leftmost (RFC 4592)."""
    labels = name.labels[1:] if allowed and name.labels[0] == b"*" else name.labels
    if any(b"*" in label for label in labels):
        rule = (
            "only as the whole leftmost label, as in '*.example.test.'"
            if allowed
            else "never in the name of a zone"
        )
        raise InvalidName(f"{quoted(text)} contains '*', which may stand {rule}.")


def _join(relative: dns.name.Name, origin: dns.name.Name, text: str) -> dns.name.Name:
    """Return ``relative`` below ``origin``; raise :class:`InvalidName` if too long."""
    try:
        return relative.concatenate(origin)
    except dns.exception.DNSException as exc:
        raise InvalidName(f"{quoted(text)} {_reason(exc)}.") from exc


def _absolute(text: str) -> dns.name.Name:
    name = parse(text)
    return name if name.is_absolute() else _join(name, dns.name.root, text)


@lru_cache(maxsize=4096)
def _canonical(text: str) -> dns.name.Name:
    """Return the dnspython name of canonical text."""
    return dns.name.from_text(text)


def zone_name(text: str) -> str:
    """Return the canonical name of a zone's apex, given with or without final dot.

    Raises :class:`InvalidName`, and :class:`ReservedName` for a zone at or below a
    name that dnsorch keeps for itself.
    """
    name = _absolute(text)
    if name == dns.name.root:
        raise InvalidName("The root zone '.' cannot be managed.")
    _check_wildcard(name, text, allowed=False)
    if RESERVED_LABEL.encode() in name.labels:
        raise ReservedName(f"{quoted(text)}: '{RESERVED_LABEL}' is reserved.")
    return name.to_text()


def owner_name(text: str, zone: str) -> str:
    """Return the canonical owner name that ``text`` means in the canonical ``zone``.

    A name that ends in a dot, is the apex or ends in a dot and the apex is absolute,
    any other is relative to the zone; ``@`` is the apex. Raises :class:`InvalidName`,
    :class:`OutOfZone`, and :class:`ReservedName` at or below ``_dnsorch.<zone>``.
    """
    apex = _canonical(zone)
    if text == "@":
        return zone
    name = parse(text)
    if not name.is_absolute():
        if name.is_subdomain(apex.relativize(dns.name.root)):
            name = _join(name, dns.name.root, text)
        else:
            name = _join(name, apex, text)
    if not name.is_subdomain(apex):
        raise OutOfZone(f"{quoted(text)} is not in the zone {zone}")
    _check_wildcard(name, text, allowed=True)
    below = name.labels[: -len(apex.labels)]
    if below and below[-1] == RESERVED_LABEL.encode():
        raise ReservedName(
            f"'{RESERVED_LABEL}.{zone}' and what is below it is reserved for dnsorch."
        )
    return name.to_text()


def absolute_name(text: str) -> str:
    """Return canonical text for a name given without a zone: it is always absolute.

    Raises :class:`InvalidName`, also for ``@``, which needs a zone.
    """
    if text == "@":
        raise InvalidName("'@' is the apex of a zone, and no zone is given.")
    name = _absolute(text)
    _check_wildcard(name, text, allowed=True)
    return name.to_text()


def suffixes(name: str) -> list[str]:
    """Return a canonical name and its parents, longest first, without the root."""
    return list(_suffixes(name))


@lru_cache(maxsize=16_384)
def _suffixes(text: str) -> tuple[str, ...]:
    name = _canonical(text)
    if name == dns.name.root:
        return ()
    return (text, *_suffixes(name.parent().to_text()))


def is_in_zone(name: str, zone: str) -> bool:
    """Say whether a canonical name is the apex of ``zone`` or below it."""
    return _canonical(name).is_subdomain(_canonical(zone))


def is_wildcard(name: str) -> bool:
    """Say whether the leftmost label of a canonical name is ``*`` (RFC 4592)."""
    return name.startswith("*.")


def is_host(name: str) -> bool:
    """Say whether a canonical name is a host name (RFC 952, RFC 1123 section 2.1).

    Its labels are letters, digits and inner hyphens; the root is not a host.
    """
    labels = name.removesuffix(".").split(".")
    return all(_HOST_LABEL.fullmatch(label) for label in labels)


def bad_a_labels(name: str) -> list[str]:
    """Return the labels of a canonical name that look like A-labels and are none."""
    return [
        dns.name.Name([label]).to_text()
        for label in _canonical(name).labels
        if label.startswith(_A_LABEL_PREFIX) and _u_label(label) is None
    ]


def display(name: str) -> str:
    """Return a canonical name with its valid A-labels as U-labels, for people.

    A label that only looks like an A-label stays as it is, so that no two names look
    the same and what is shown can be read back.
    """
    if "xn--" not in name:
        return name
    return _canonical(name).to_unicode(idna_codec=_CODEC)
