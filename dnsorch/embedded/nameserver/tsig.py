"""TSIG (RFC 8945): keys from text, and requests and error responses with it."""

from __future__ import annotations

import binascii
import time
from collections.abc import Iterable
from typing import cast

import dns.exception
import dns.message
import dns.name
import dns.rcode
import dns.rdtypes.ANY.TSIG
import dns.rrset
import dns.tsig
import dns.tsigkeyring

from dnsorch.embedded.nameserver.errors import BadKeyText

Keyring = dict[dns.name.Name, dns.tsig.Key]

HMAC_ALGORITHMS = dns.tsig.mac_sizes.keys() - {dns.tsig.GSS_TSIG}


def key(text: str) -> dns.tsig.Key:
    """Return the key that a text describes.

    Either the key clause that ``tsig-keygen`` writes, ``key "NAME" { algorithm
    ALGORITHM; secret "BASE64"; };``, or ``NAME:ALGORITHM:BASE64``. Raises
    :class:`BadKeyText`; its text has nothing of the secret.
    """
    text = " ".join(text.split())
    clause = dns.tsigkeyring.TSIG_KEY_FILE_RE.match(text)
    if clause is not None:
        name, algorithm, secret = (
            clause.group(first) or clause.group(first + 1) for first in (1, 3, 5)
        )
    else:
        name, _, rest = text.partition(":")
        algorithm, _, secret = rest.partition(":")
    if not (name and algorithm and secret):
        raise BadKeyText()
    try:
        binascii.a2b_base64(secret, strict_mode=True)
        made = dns.tsig.Key(name, secret, algorithm)
    except (binascii.Error, dns.exception.DNSException):
        raise BadKeyText() from None
    if made.algorithm not in HMAC_ALGORITHMS:
        raise BadKeyText(f"The TSIG algorithm {algorithm} is not supported.")
    return made


def keyring(keys: Iterable[dns.tsig.Key]) -> Keyring:
    """Return the keys by name."""
    return {each.name: each for each in keys}


class BadRequest(Exception):
    """A request whose TSIG does not hold; ``response`` is the answer to send."""

    def __init__(self, response: dns.message.Message) -> None:
        """Keep the answer."""
        super().__init__()
        self.response = response


def parse(wire: bytes, keys: Keyring) -> dns.message.Message:
    """Return the message with its TSIG, if it has one, verified.

    Raises :class:`BadRequest` for a TSIG that does not hold (section 5.2) and
    another :class:`dns.exception.DNSException` for a malformed message.
    """
    try:
        return dns.message.from_wire(wire, keyring=keys)
    except (dns.message.UnknownTSIGKey, dns.tsig.BadKey, dns.tsig.BadAlgorithm):
        raise BadRequest(_notauth(wire, dns.rcode.BADKEY)) from None
    except dns.tsig.BadSignature:
        raise BadRequest(_notauth(wire, dns.rcode.BADSIG)) from None
    except dns.tsig.BadTime:
        raise BadRequest(_notauth(wire, dns.rcode.BADTIME, keys)) from None


def _notauth(
    wire: bytes, error: dns.rcode.Rcode, keys: Keyring | None = None
) -> dns.message.Message:
    """Return NOTAUTH with a TSIG that names the error (section 5.3.2).

    It is signed if keys are given, as BADTIME must be, and then carries our time.
    """
    request = dns.message.from_wire(wire, keyring=False)
    assert request.tsig is not None
    theirs = cast(dns.rdtypes.ANY.TSIG.TSIG, request.tsig[0])
    response = dns.message.make_response(request)
    response.set_rcode(dns.rcode.NOTAUTH)
    ours = theirs.replace(mac=b"", original_id=request.id, error=error, other=b"")
    if keys is not None:
        ours = ours.replace(other=int(time.time()).to_bytes(6, "big"))
        ours, _ = dns.tsig.sign(  # type: ignore[no-untyped-call]
            response.to_wire(),
            keys[request.tsig.name],
            ours,
            theirs.time_signed,
            theirs.mac,
        )
    response.tsig = dns.rrset.from_rdata(request.tsig.name, 0, ours)
    return response
