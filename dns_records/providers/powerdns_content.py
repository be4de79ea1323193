"""Rdata as the API of PowerDNS 4.7 wants it: it refuses what it would write otherwise.

It knows no mnemonics in CERT, writes all fields of LOC, and quotes the parameters of
SVCB and HTTPS its own way.
"""

from __future__ import annotations

import base64

from dns.rdtypes.ANY.CERT import CERT
from dns.rdtypes.ANY.LOC import LOC
from dns.rdtypes.svcbbase import MandatoryParam, Param, ParamKey, SVCBBase

from dns_records.providers import updates

# PowerDNS reads these by name; further ones are keyNNNNN to it.
_NAMED = frozenset(range(ParamKey.DOHPATH))
_UNQUOTED = frozenset({ParamKey.PORT, ParamKey.IPV4HINT, ParamKey.IPV6HINT})


def content(rtype: str, text: str) -> str:
    """Return what stands for the canonical ``text`` in the API.

    Raises:
        PermanentRefusal: it is not rdata of that type.
    """
    if text == r"\# 0":
        return f"{text} "
    if rtype not in ("CERT", "HTTPS", "LOC", "SVCB"):
        return text
    match value := updates.rdata(rtype, text):
        case CERT():
            octets = base64.b64encode(value.certificate).decode()
            numbers = (value.certificate_type, value.key_tag, value.algorithm)
            return " ".join([*(str(int(number)) for number in numbers), octets])
        case LOC():
            return _loc(value, text)
        case SVCBBase():
            return _svcb(value)
    return text


def _loc(value: LOC, text: str) -> str:
    lengths = (value.size, value.horizontal_precision, value.vertical_precision)
    given = text.split()[:9]
    # Zero is south and west to it.
    for place, (degrees, other) in {
        3: (value.latitude, "S"),
        7: (value.longitude, "W"),
    }.items():
        if not any(degrees[:4]):
            given[place] = other
    return " ".join([*given, *(f"{length / 100:.2f}m" for length in lengths)])


def _svcb(value: SVCBBase) -> str:
    words = [str(value.priority), value.target.to_text()]
    for key, param in sorted(value.params.items()):
        if param is None:
            words.append(_key(key) + ("" if key in _NAMED else '=""'))
        elif isinstance(param, MandatoryParam):
            words.append(f"{_key(key)}={','.join(_key(each) for each in param.keys)}")
        else:
            words.append(f"{_key(key)}={_param(key, param)}")
    return " ".join(words)


def _key(key: int) -> str:
    return (
        ParamKey(key).name.lower().replace("_", "-") if key in _NAMED else f"key{key}"
    )


def _param(key: int, param: Param) -> str:
    written: str = param.to_text()  # type: ignore[attr-defined]
    if key in _UNQUOTED or (key == ParamKey.ALPN and " " not in written):
        return written.strip('"')
    return written
