"""What dnspython takes though it is not all there is to read. Pure.

It drops what is not base64, cuts off what a LOC record cannot say and reads through
quotes; name servers differ there. Whatever is taken is what the client wrote, nothing
less.
"""

from __future__ import annotations

import base64
import binascii
import ipaddress
from typing import Literal

import dns.rdata
from dns.rdtypes.ANY.LOC import LOC
from dns.rdtypes.euibase import EUIBase
from dns.rdtypes.IN.APL import APL
from dns.rdtypes.svcbbase import ECHParam, GenericParam, ParamKey, SVCBBase

# RFC 3123 section 4.
_FAMILIES = (1, 2)
# RFC 9460 section 14.3.2: "Invalid key".
_RESERVED_KEY = 65_535
# RFC 9461 section 5; where no dnspython member stands for it, it is opaque octets.
_DOHPATH = 7
# The lengths of a LOC in centimetres.
_LENGTHS = ("altitude", "size", "horizontal_precision", "vertical_precision")
# Far below a centimetre, far above what a double gets wrong.
_NOTHING = 1e-4


def refusal(
    value: dns.rdata.Rdata, text: str, binary: Literal["", "hex", "base64"], tail: str
) -> str:
    """Return why ``text``, read as ``value``, is refused all the same; "" if not.

    ``tail`` is its last field, which is written in ``binary``.
    """
    if binary == "base64" and not _is_base64(tail):
        return "The base64 has characters, padding or bits that do not belong there."
    if binary == "hex" and not _is_hex(tail):
        return "The hex digits come in pairs, and nothing stands between them."
    match value:
        case EUIBase() if '"' in text:
            return "It stands without quotes (RFC 7043)."
        case APL():
            return _apl(value)
        case LOC():
            return _loc(value)
        case SVCBBase():
            return _svcb(value, text)
    return ""


def rounded(value: dns.rdata.Rdata) -> dns.rdata.Rdata:
    """Return ``value``, a LOC with its lengths in whole centimetres, as they are meant.

    dnspython keeps them as floats, and 0.29 m would be 28 cm on the wire.
    """
    if not isinstance(value, LOC):
        return value
    lengths = (float(round(getattr(value, field))) for field in _LENGTHS)
    return LOC(  # type: ignore[no-untyped-call]
        value.rdclass, value.rdtype, value.latitude, value.longitude, *lengths
    )


def _is_base64(text: str) -> bool:
    try:
        octets = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        return False
    return base64.b64encode(octets).decode() == text


def _is_hex(text: str) -> bool:
    try:
        return binascii.unhexlify(text).hex() == text.lower()
    except (binascii.Error, ValueError):
        return False


def _apl(value: APL) -> str:
    for item in value.items:
        if item.family not in _FAMILIES:
            return "An address family is 1 (IPv4) or 2 (IPv6)."
        network = f"{item.address}/{item.prefix}"
        try:
            ipaddress.ip_network(network)
        except ValueError:  # PowerDNS drops them
            return f"{network} has bits beyond its length."
    return ""


def _loc(value: LOC) -> str:
    for field in _LENGTHS:
        length = getattr(value, field)
        if abs(length - round(length)) > _NOTHING:
            return "Lengths are given to the centimetre."
    for field in _LENGTHS[1:]:
        digits = str(round(getattr(value, field)))
        if digits[1:].strip("0"):
            return "Size and precisions have one significant digit (RFC 1876)."
    return ""


def _svcb(value: SVCBBase, text: str) -> str:
    """Return what RFC 9460 forbids, or servers refuse, and dnspython lets through."""
    if _RESERVED_KEY in value.params:
        return "key65535 is reserved (RFC 9460 section 14.3.2)."
    ech = value.params.get(ParamKey.ECH)
    if isinstance(ech, ECHParam) and base64.b64encode(ech.ech).decode() not in text:
        return "The value of ech is not proper base64."
    path = value.params.get(_DOHPATH)
    if isinstance(path, GenericParam) and not _is_dohpath(path.value):
        return "A dohpath starts with '/' and holds '{?dns}' (RFC 9461 section 5)."
    return ""


def _is_dohpath(path: bytes) -> bool:
    try:
        text = path.decode("utf-8")
    except UnicodeError:
        return False
    return text.startswith("/") and "{?dns}" in text
