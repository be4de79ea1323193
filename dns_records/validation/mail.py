"""Rules about mail policies in TXT records: SPF, DMARC and DKIM.

All warn: a name server serves any text, and what receivers make of it is theirs.
"""

from __future__ import annotations

import base64
import binascii
import ipaddress
import re
from collections.abc import Iterator

from dns.rdtypes.ANY.TXT import TXT

from dns_records.validation.base import Context, Family, Problem, warning
from dns_records.validation.records import Record

FAMILY: Family[Record] = Family("record")

MAX_SPF_LOOKUPS = 10  # RFC 7208 section 4.6.4

# RFC 7208 section 7.1: visible ASCII with macros, so only spaces end it.
_DOMAIN = r"[!-~]+"
_CIDR = r"(/(3[0-2]|[12]?[0-9]))?(//(12[0-8]|1[01][0-9]|[1-9]?[0-9]))?"
_NETWORK = re.compile(r"[+?~-]?ip(4|6):(.+)", re.IGNORECASE)
_TERMS = tuple(
    re.compile(pattern, re.IGNORECASE | re.ASCII)
    for pattern in (
        r"[+?~-]?all",
        rf"[+?~-]?(include|exists):{_DOMAIN}",
        rf"[+?~-]?(a|mx)(:[!-.0-~]+)?{_CIDR}",
        rf"[+?~-]?ptr(:{_DOMAIN})?",
        rf"(redirect|exp)={_DOMAIN}",
        r"(?!(redirect|exp)=)[a-z][a-z0-9._-]*=[!-~]*",
    )
)
_LOOKUP = re.compile(
    r"[+?~-]?((include|exists):|(a|mx)([:/]|$)|ptr(:|$))|redirect=", re.IGNORECASE
)
_TAG_NAME = re.compile(r"[a-z][a-z0-9_]*", re.IGNORECASE | re.ASCII)
_POLICIES = frozenset({"none", "quarantine", "reject"})
_DKIM_KEYS = frozenset({"rsa", "ed25519"})


def _text(record: Record) -> str:
    """Return the strings of a TXT record as one text, empty for another type."""
    value = record.rdata.value
    if not isinstance(value, TXT):
        return ""
    return b"".join(value.strings).decode("ascii", "replace")


def _spf_terms(record: Record) -> list[str]:
    version, *terms = _text(record).split(" ")
    return [term for term in terms if term] if version.lower() == "v=spf1" else []


def _is_spf_term(term: str) -> bool:
    if network := _NETWORK.fullmatch(term):
        try:
            parsed = ipaddress.ip_network(network[2], strict=False)
        except ValueError:
            return False
        return parsed.version == int(network[1])
    return any(pattern.fullmatch(term) for pattern in _TERMS)


@FAMILY.rule("spf-syntax", "RFC 7208 section 4.6.1")
def spf_syntax(context: Context, record: Record) -> Iterator[Problem]:
    """An SPF policy consists of known mechanisms and of modifiers (RFC 7208)."""
    for term in _spf_terms(record):
        if not _is_spf_term(term):
            yield warning(
                "spf_syntax",
                f"'{term}' is no mechanism or modifier of SPF; receivers answer"
                " 'permerror' to the whole policy.",
            )


@FAMILY.rule("spf-lookups", "RFC 7208 section 4.6.4")
def spf_lookups(context: Context, record: Record) -> Iterator[Problem]:
    """An SPF policy makes receivers ask at most ten questions (RFC 7208 4.6.4).

    Counted in this record; what it includes counts too and is not read here.
    """
    count = sum(_LOOKUP.match(term) is not None for term in _spf_terms(record))
    if count > MAX_SPF_LOOKUPS:
        yield warning(
            "spf_lookups",
            f"The SPF policy asks for {count} look-ups; receivers stop after"
            f" {MAX_SPF_LOOKUPS} with 'permerror'.",
        )


def _tags(text: str) -> list[tuple[str, str]] | None:
    """Return the tags of ``name=value; ...`` (RFC 6376 section 3.2), None if none."""
    parts = text.split(";")
    if len(parts) > 1 and not parts[-1].strip():
        parts.pop()
    halves = [part.partition("=") for part in parts]
    if not all(sign and _TAG_NAME.fullmatch(name.strip()) for name, sign, _ in halves):
        return None
    return [(name.strip().lower(), value.strip()) for name, _, value in halves]


@FAMILY.rule("dmarc-syntax", "RFC 7489 section 6.3")
def dmarc_syntax(context: Context, record: Record) -> Iterator[Problem]:
    """A policy at ``_dmarc`` starts with ``v=DMARC1`` and has a ``p=`` (RFC 7489)."""
    if record.type.name != "TXT" or not record.name.startswith("_dmarc."):
        return
    tags = _tags(_text(record))
    if tags is None:
        yield warning("dmarc_syntax", "A DMARC policy is a list of 'tag=value;'.")
        return
    if tags[0] != ("v", "DMARC1"):
        yield warning(
            "dmarc_syntax", "A DMARC policy starts with 'v=DMARC1', in capitals."
        )
    elif dict(tags).get("p", "").lower() not in _POLICIES:
        yield warning(
            "dmarc_syntax", "A DMARC policy has 'p=none', 'quarantine' or 'reject'."
        )


@FAMILY.rule("dkim-syntax", "RFC 6376 section 3.6.1")
def dkim_syntax(context: Context, record: Record) -> Iterator[Problem]:
    """A key below ``_domainkey`` has a ``p=`` in base64 and a known type (RFC 6376)."""
    if record.type.name != "TXT" or record.name.split(".")[1] != "_domainkey":
        return
    tags = _tags(_text(record))
    if tags is None:
        yield warning("dkim_syntax", "A DKIM key is a list of 'tag=value;'.")
        return
    found = dict(tags)
    if "v" in found and tags[0] != ("v", "DKIM1"):
        yield warning("dkim_syntax", "The version 'v=DKIM1' of a DKIM key comes first.")
    if found.get("k", "rsa") not in _DKIM_KEYS:
        known = " and ".join(sorted(_DKIM_KEYS))
        yield warning(
            "dkim_syntax", f"'k={found['k']}' is no type of key; there are {known}."
        )
    if "p" not in found or not _is_base64(found["p"]):
        yield warning(
            "dkim_syntax", "A DKIM key has 'p=' with the key in base64, or nothing."
        )


def _is_base64(text: str) -> bool:
    try:
        base64.b64decode("".join(text.split()), validate=True)
    except (binascii.Error, ValueError):
        return False
    return True
