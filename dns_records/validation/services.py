"""Rules about how services are found: owner names, NAPTR, SVCB and HTTPS, CAA."""

from __future__ import annotations

import re
from collections.abc import Iterator

from dns.rdtypes.ANY.CAA import CAA
from dns.rdtypes.IN.NAPTR import NAPTR
from dns.rdtypes.svcbbase import SVCBBase

from dns_records.validation.base import Context, Family, Problem, error, warning
from dns_records.validation.records import Record
from dns_records.validation.rrsets import RRset

FAMILY: Family[Record] = Family("record")
RRSET_FAMILY: Family[RRset] = Family("rrset")

_HASHED = {"OPENPGPKEY": ("_openpgpkey", 56), "SMIMEA": ("_smimecert", 56)}
_TLSA_PORT = re.compile(r"_(0|[1-9][0-9]{0,4})|\*")
_TLSA_PROTOCOLS = frozenset({"_tcp", "_udp", "_sctp"})
_NAPTR_FLAGS = frozenset("sapu")
# RFC 8659 section 4.2.
_LABEL = r"[a-z0-9](-*[a-z0-9])*"
_ISSUER = re.compile(rf"({_LABEL}(\.{_LABEL})*)?", re.IGNORECASE)
_PARAMETER = re.compile(rf"{_LABEL}[ \t]*=[ \t]*[!-~]*", re.IGNORECASE)
_ISSUERS = frozenset({b"issue", b"issuewild", b"issuemail", b"issuevmc"})
_REPORT = re.compile(r"(mailto:[^ @]+@[^ @]+|https?://[^ ]+)", re.IGNORECASE)


@FAMILY.rule("uri-owner", "RFC 8552 section 4.1")
def uri_owner(context: Context, record: Record) -> Iterator[Problem]:
    """The owner of a URI record starts with an underscored label (RFC 8552)."""
    if record.type.name != "URI":
        return
    if not record.name.removeprefix("*.").startswith("_"):
        yield warning(
            "uri_owner",
            f"{record.name} does not start with '_service' or '_service._protocol', so"
            " no client asks for its URI record.",
        )


@FAMILY.rule("tlsa-owner", "RFC 6698 section 3")
def tlsa_owner(context: Context, record: Record) -> Iterator[Problem]:
    """The owner of a TLSA record starts with ``_port._protocol`` (RFC 6698)."""
    if record.type.name != "TLSA":
        return
    port, protocol = record.name.split(".")[:2]
    if not _TLSA_PORT.fullmatch(port) or protocol not in _TLSA_PROTOCOLS:
        yield warning(
            "tlsa_owner",
            f"{record.name} does not start with '_port._protocol' as '_443._tcp' does,"
            " so no client asks for its TLSA record.",
        )


@FAMILY.rule("mailbox-owner", "RFC 7929 section 3")
def mailbox_owner(context: Context, record: Record) -> Iterator[Problem]:
    """OPENPGPKEY and SMIMEA stand at a hashed mailbox (RFC 7929, RFC 8162)."""
    if record.type.name not in _HASHED:
        return
    label, digits = _HASHED[record.type.name]
    first, second = record.name.split(".")[:2]
    hashed = re.fullmatch(rf"[0-9a-f]{{{digits}}}|\*", first)
    if not hashed or second != label:
        yield warning(
            "mailbox_owner",
            f"{record.name} does not start with {digits} hex digits and '{label}', so"
            f" no client asks for its {record.type.name} record.",
        )


@FAMILY.rule("naptr-flags", "RFC 3403 section 4.1")
def naptr_flags(context: Context, record: Record) -> Iterator[Problem]:
    """The flag of a NAPTR is S, A, U or P, or there is none (RFC 3403 section 4.1)."""
    value = record.rdata.value
    if not isinstance(value, NAPTR):
        return
    flags = value.flags.decode("latin-1").lower()
    if flags and flags not in _NAPTR_FLAGS:
        yield warning("naptr_flags", f"'{flags}' is no flag; known are S, A, U and P.")


@FAMILY.rule("svcb-loop", "RFC 9460 section 2.4.2")
def svcb_loop(context: Context, record: Record) -> Iterator[Problem]:
    """SVCB and HTTPS in AliasMode do not point to their own owner (RFC 9460)."""
    value = record.rdata.value
    if isinstance(value, SVCBBase) and value.priority == 0:
        if record.name in record.rdata.names:
            yield error(
                "target_is_owner", f"{record.name} would be an alias for itself."
            )


@RRSET_FAMILY.rule("svcb-modes", "RFC 9460 section 2.4.1")
def svcb_modes(context: Context, rrset: RRset) -> Iterator[Problem]:
    """An SVCB or HTTPS in AliasMode stands alone (RFC 9460 section 2.4)."""
    values = [each.value for each in rrset.rdatas]
    aliases = [v for v in values if isinstance(v, SVCBBase) and v.priority == 0]
    if aliases and len(values) > 1:
        yield warning(
            "svcb_alias_not_alone",
            f"{rrset} has an alias (priority 0) beside others; clients follow one"
            " alias and ignore the rest.",
        )


@FAMILY.rule("caa-value", "RFC 8659 section 4.2")
def caa_value(context: Context, record: Record) -> Iterator[Problem]:
    """A CAA value is an issuer with parameters, or a URL for reports (RFC 8659)."""
    caa = record.rdata.value
    if not isinstance(caa, CAA):
        return
    value = caa.value.decode("latin-1")
    if caa.tag in _ISSUERS and not _is_issue_value(value):
        yield warning(
            "caa_value",
            f"'{value}' is not 'issuer; key=value', so no authority may issue.",
        )
    if caa.tag == b"iodef" and not _REPORT.fullmatch(value):
        yield warning("caa_value", f"'{value}' is not a mailto:, http: or https: URL.")


def _is_issue_value(value: str) -> bool:
    issuer, *parameters = (part.strip(" \t") for part in value.split(";"))
    if parameters == [""]:
        parameters = []
    return _ISSUER.fullmatch(issuer) is not None and all(
        _PARAMETER.fullmatch(each) for each in parameters
    )
