"""Rules about the fields of single types, beyond what their syntax says."""

from __future__ import annotations

import re
import warnings
from collections.abc import Iterator

import dns.name
from dns.rdtypes.ANY.CSYNC import CSYNC
from dns.rdtypes.dnskeybase import DNSKEYBase
from dns.rdtypes.IN.NAPTR import NAPTR
from dns.rdtypes.svcbbase import SVCBBase

from dns_records import names
from dns_records.validation.base import Context, Problem, error, warning
from dns_records.validation.records import FAMILY, Record

# RFC 7477 section 2.1.1.2: immediate and soaminimum.
_CSYNC_FLAGS = 3
# RFC 4034 section 2.1.2.
_DNSKEY_PROTOCOL = 3
# RFC 3402 section 3.2: no digit, no backslash, not the flag.
_NO_DELIMITERS = frozenset("0123456789\\i")
_MAILBOX_LABEL = re.compile(rb"[!-~]+")


@FAMILY.rule("obsolete-type", "RFC 7208 section 3.1")
def obsolete_type(context: Context, record: Record) -> Iterator[Problem]:
    """A type that nobody reads any more is not published anew (SPF: RFC 7208)."""
    if record.type.obsolete:
        yield warning(
            "obsolete_type", f"{record.type.name} is obsolete: {record.type.obsolete}."
        )


@FAMILY.rule("mailbox", "RFC 1035 section 8")
def mailbox(context: Context, record: Record) -> Iterator[Problem]:
    """A mailbox is a printable label before the name of a host (RFC 1035 section 8).

    An error, since BIND refuses others by default (``check-names``).
    """
    for field in record.type.mailboxes:
        name: dns.name.Name = getattr(record.rdata.value, field)
        if name == dns.name.root:
            continue
        host = name.parent()
        if not _MAILBOX_LABEL.fullmatch(name.labels[0]) or not (
            host == dns.name.root or names.is_host(host.to_text())
        ):
            yield error(
                "not_a_mailbox",
                f"The mailbox '{name}' is not a local part before the name of a host.",
            )


@FAMILY.rule("dnskey-protocol", "RFC 4034 section 2.1.2")
def dnskey_protocol(context: Context, record: Record) -> Iterator[Problem]:
    """The protocol of DNSKEY and CDNSKEY is 3 (RFC 4034 section 2.1.2)."""
    key = record.rdata.value
    if isinstance(key, DNSKEYBase) and key.protocol != _DNSKEY_PROTOCOL:
        yield error(
            "dnskey_protocol",
            f"The protocol {key.protocol} of {record.name} {record.type.name} is"
            f" not {_DNSKEY_PROTOCOL}.",
        )


@FAMILY.rule("csync-flags", "RFC 7477 section 2.1.1.2")
def csync_flags(context: Context, record: Record) -> Iterator[Problem]:
    """The flags of a CSYNC are immediate (1) and soaminimum (2) (RFC 7477)."""
    csync = record.rdata.value
    if isinstance(csync, CSYNC) and csync.flags > _CSYNC_FLAGS:
        yield error(
            "csync_flags", f"The flags {csync.flags} set bits that are reserved."
        )


@FAMILY.rule("service-target", "RFC 9460 section 2.4.3")
def service_target(context: Context, record: Record) -> Iterator[Problem]:
    """SVCB and HTTPS in ServiceMode point to a host (RFC 9460 section 2.4.3).

    The target is of an alternative endpoint, which is a host (section 1.3). An error,
    since BIND refuses others by default (``check-names``).
    """
    svcb = record.rdata.value
    if isinstance(svcb, SVCBBase) and svcb.priority:
        target = svcb.target.to_text()
        if target != "." and not names.is_host(target):
            yield error(
                "target_not_host",
                f"The target '{target}' of a service is not a host name: letters,"
                " digits and inner hyphens between dots.",
            )


@FAMILY.rule("naptr-regexp", "RFC 3402 section 3.2")
def naptr_regexp(context: Context, record: Record) -> Iterator[Problem]:
    """The expression of a NAPTR can be carried out (RFC 3402 section 3.2).

    An error, since BIND refuses others.
    """
    naptr = record.rdata.value
    if isinstance(naptr, NAPTR) and naptr.regexp:
        if why := _bad_substitution(naptr.regexp.decode("latin-1")):
            yield error("naptr_regexp", f"The expression of the NAPTR {why}.")


@FAMILY.rule("naptr-either", "RFC 3403 section 4.1")
def naptr_either(context: Context, record: Record) -> Iterator[Problem]:
    """A NAPTR has an expression or a replacement, not both (RFC 3403 section 4.1)."""
    naptr = record.rdata.value
    if isinstance(naptr, NAPTR) and naptr.regexp:
        if naptr.replacement != dns.name.root:
            yield error(
                "naptr_either",
                "A NAPTR with an expression has the replacement '.', and one with a"
                ' replacement the expression "".',
            )


def _bad_substitution(text: str) -> str:
    """Return what is wrong with ``!ere!replacement!flags``, "" for nothing."""
    delimiter = text[0]
    if delimiter in _NO_DELIMITERS:
        return f"cannot begin with {delimiter!r}, its delimiter"
    parts = re.split(rf"(?<!\\){re.escape(delimiter)}", text)[1:]
    if len(parts) != 3:
        return f"has {len(parts)} of 3 delimiters {delimiter!r}"
    pattern, replacement, flags = parts
    if flags not in ("", "i"):
        return "has a flag other than 'i'"
    if not pattern:
        return "looks for nothing"
    try:
        # Python warns of [[:alpha:]], which POSIX has.
        with warnings.catch_warnings(action="ignore"):
            groups = re.compile(pattern).groups
    except (re.error, OverflowError) as error:
        return f"is no regular expression: {error}"
    used = [int(digit) for digit in re.findall(r"\\([0-9])", replacement)]
    if any(not 1 <= number <= groups for number in used):
        return "refers to a group that it does not have"
    return ""
