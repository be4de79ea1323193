"""Signing messages and believing their answers (TSIG, RFC 8945), by dnspython."""

from __future__ import annotations

import base64
import binascii

import dns.exception
import dns.message
import dns.name
import dns.rcode
import dns.tsig

from dns_records.providers.errors import (
    KeyRefused,
    Misconfigured,
    OutcomeUnknown,
    TooLate,
)
from dns_records.tcp import Deadline

# What RFC 8945 section 10 recommends, for questions; and the most for what writes.
DEFAULT_FUDGE_S = 300
LONGEST_FUDGE_S = 30

# RFC 8945 section 6, without HMAC-MD5 and GSS-TSIG.
ALGORITHMS: dict[str, dns.name.Name] = {
    name.to_text(omit_final_dot=True): name
    for name in dns.tsig.mac_sizes
    if name not in (dns.tsig.HMAC_MD5, dns.tsig.GSS_TSIG)
}

# A server says these unsigned when it could not read the message, so before it came
# to the signature. Everything else it must sign (RFC 8945 section 5.3).
UNSIGNED_AS_IT_IS = frozenset({dns.rcode.FORMERR, dns.rcode.NOTIMP})


def key(name: dns.name.Name, algorithm: str, secret: str) -> dns.tsig.Key:
    """Return the key; ``secret`` is base64 text.

    Raises:
        Misconfigured: the secret is empty or not base64. The message never holds it.
    """
    try:
        octets = base64.b64decode("".join(secret.split()), validate=True)
    except (binascii.Error, ValueError):
        raise Misconfigured("the TSIG secret is not base64 text") from None
    if not octets:
        raise Misconfigured("the TSIG secret is empty")
    return dns.tsig.Key(name, octets, ALGORITHMS[algorithm])


def fudge(until: Deadline | None) -> int:
    """Return for how many seconds a message may be late that is signed now.

    A server refuses what comes later (RFC 8945 section 5.2.3), so what is stuck in a
    socket or before a stopped server has no effect after ``until``. Whole seconds, and
    one at least.

    Raises:
        TooLate: ``until`` has passed.
    """
    if until is None:
        return DEFAULT_FUDGE_S
    try:
        left = until.left()
    except TimeoutError:
        raise TooLate() from None
    return max(1, min(LONGEST_FUDGE_S, int(left)))


def verified(
    wire: bytes, request: dns.message.Message, signed_with: dns.tsig.Key | None
) -> dns.message.Message:
    """Return the answer to ``request`` if it is one and may be believed.

    An unsigned answer to a signed request is believed only where a server has no
    way to sign (:data:`UNSIGNED_AS_IT_IS`). Unsigned NOTAUTH and REFUSED are how
    servers without a TSIG error turn a key away.

    Raises:
        KeyRefused: the server does not accept the key or the signature.
        Misconfigured: the clocks differ.
        OutcomeUnknown: it is no answer to this request, or its signature is wrong.
    """
    try:
        answer = dns.message.from_wire(wire, keyring=False)
        if not request.is_response(answer) or not _same_zone(answer, request):
            raise OutcomeUnknown("the answer is to another message", answered=True)
        if not answer.had_tsig:
            return _unsigned(answer) if signed_with else answer
        # Without a key of ours, a signed answer is one that cannot be checked.
        return dns.message.from_wire(
            wire, keyring=signed_with, request_mac=request.mac or b""
        )
    except dns.tsig.PeerBadTime as error:
        raise Misconfigured(
            "the server's clock and ours differ too much (BADTIME)", rcode="NOTAUTH"
        ) from error
    except dns.tsig.PeerError as error:
        raise KeyRefused(
            f"the server turned the TSIG key away: {error}", rcode="NOTAUTH"
        ) from error
    except (dns.exception.DNSException, ValueError) as error:
        raise OutcomeUnknown(
            f"the answer cannot be believed: {error}", answered=True
        ) from error


def _same_zone(answer: dns.message.Message, request: dns.message.Message) -> bool:
    # is_response compares questions, but leaves out the zone section of an UPDATE,
    # which the answer may leave out as well (RFC 2136 section 3.8).
    return not answer.question or answer.question[0] == request.question[0]


def _unsigned(answer: dns.message.Message) -> dns.message.Message:
    rcode = dns.rcode.to_text(answer.rcode())
    if answer.rcode() in UNSIGNED_AS_IT_IS:
        return answer
    if answer.rcode() in (dns.rcode.NOTAUTH, dns.rcode.REFUSED):
        raise KeyRefused(f"the server answered {rcode} unsigned", rcode=rcode)
    raise OutcomeUnknown(
        f"the server answered {rcode} unsigned to a signed message",
        rcode=rcode,
        answered=True,
    )
