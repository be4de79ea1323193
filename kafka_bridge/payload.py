"""JSON in messages: read as strictly as the API reads bodies.

What the API's parser refuses would be refused together with a whole batch, so a
message is held to the same rules before it is packed into one.
"""

from __future__ import annotations

import json
from typing import Any, Final

from dnsorch.api import strict_json
from kafka_bridge.exceptions import (
    InvalidJSON,
    InvalidMessage,
    NestingTooDeep,
    NotUTF8,
)

_ERRORS: Final[dict[str, type[InvalidMessage]]] = {
    "invalid_utf8": NotUTF8,
    "too_deep": NestingTooDeep,
}


def parse(octets: bytes) -> Any:
    """Return the JSON value in ``octets``.

    Raises:
        NotUTF8: an octet is not UTF-8.
        NestingTooDeep: more levels than the API reads.
        InvalidJSON: anything else that :mod:`dnsorch.api.strict_json` refuses.
    """
    try:
        return strict_json.loads(octets)
    except strict_json.MalformedBody as error:
        (reason,) = error.reasons
        raise _ERRORS.get(reason.code, InvalidJSON)(error.detail) from error


def encode(value: Any) -> bytes:
    """Return ``value`` as compact JSON in UTF-8."""
    return json.dumps(
        value, ensure_ascii=False, allow_nan=False, separators=(",", ":")
    ).encode()
