"""The text of a token: ``dno_``, 30 random characters, a checksum of 6.

The prefix lets secret scanners find a leaked token, and the checksum lets them (and
us, without asking the database) tell one from look-alikes. 30 characters of 62 are
178 random bits: too many to guess, so that one plain SHA-256 keeps them safely.
"""

from __future__ import annotations

import hashlib
import re
import secrets
import string
import zlib

PREFIX = "dno_"
SHOWN = 12
_ALPHABET = string.digits + string.ascii_uppercase + string.ascii_lowercase
_RANDOM = 30
_CHECKSUM = 6
_SHAPE = re.compile(rf"{PREFIX}[0-9A-Za-z]{{{_RANDOM + _CHECKSUM}}}")


def generate() -> str:
    """Return the text of a new token."""
    body = PREFIX + "".join(secrets.choice(_ALPHABET) for _ in range(_RANDOM))
    return body + _checksum(body)


def is_well_formed(text: str) -> bool:
    """Say whether ``text`` can be a token at all: its shape and checksum."""
    if _SHAPE.fullmatch(text) is None:
        return False
    return _checksum(text[:-_CHECKSUM]) == text[-_CHECKSUM:]


def digest(text: str) -> str:
    """Return what the database keeps of a token: its SHA-256, in hexadecimal."""
    return hashlib.sha256(text.encode()).hexdigest()


def _checksum(body: str) -> str:
    """Return the CRC-32 of ``body`` in base 62; 62 ** 6 is more than 2 ** 32."""
    number, digits = zlib.crc32(body.encode()), []
    for _ in range(_CHECKSUM):
        number, digit = divmod(number, 62)
        digits.append(_ALPHABET[digit])
    return "".join(reversed(digits))
