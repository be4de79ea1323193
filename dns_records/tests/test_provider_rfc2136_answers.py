"""The RFC 2136 provider: every way an answer can go wrong."""

from __future__ import annotations

from typing import Any

import dns.flags
import dns.message
import dns.name
import dns.rcode
import dns.rrset
import dns.tsig
import dns.update
import pytest

from dns_records.providers import updates
from dns_records.providers.errors import (
    Fenced,
    KeyRefused,
    Misconfigured,
    OutcomeUnknown,
    PermanentRefusal,
    ProviderError,
    Unreachable,
)
from dns_records.tests.rfc2136_kit import (
    NEW,
    OLD,
    STEP,
    WWW,
    ZONE,
    Secret,
    answering,
    key,
    provider,
)
from dns_records.tests.scripted import CLOSE, answer_to, scripted

RCODES = [
    (dns.rcode.FORMERR, PermanentRefusal, "permanent"),
    (dns.rcode.REFUSED, PermanentRefusal, "permanent"),
    (dns.rcode.NOTZONE, PermanentRefusal, "permanent"),
    (dns.rcode.NOTAUTH, Misconfigured, "misconfigured"),
    (dns.rcode.NOTIMP, Misconfigured, "misconfigured"),
    (dns.rcode.SERVFAIL, OutcomeUnknown, "unknown"),
    (dns.rcode.BADVERS, OutcomeUnknown, "unknown"),
    (dns.rcode.YXDOMAIN, Fenced, "fenced"),
    (dns.rcode.YXRRSET, Fenced, "fenced"),
    (dns.rcode.NXRRSET, Fenced, "fenced"),
    (dns.rcode.NXDOMAIN, Fenced, "fenced"),
]


@pytest.mark.parametrize(("rcode", "error", "kind"), RCODES)
@pytest.mark.parametrize("signed", [False, True], ids=["unsigned", "signed"])
def test_an_rcode_becomes_a_kind(
    rcode: dns.rcode.Rcode, error: type[ProviderError], kind: str, signed: bool
) -> None:
    secret = Secret(OLD) if signed else None
    script = answering(rcode, key=key(OLD) if signed else None)
    with scripted(script) as server, pytest.raises(ProviderError) as failure:
        provider(server, secret).apply(ZONE, [WWW], fence=STEP)

    assert type(failure.value) is error
    assert (failure.value.kind, failure.value.rcode) == (kind, dns.rcode.to_text(rcode))
    assert getattr(failure.value, "answered", True) is True
    assert len(server.messages) == 1


@pytest.mark.parametrize(
    ("rcode", "outcome"),
    [
        (dns.rcode.NOERROR, True),
        (dns.rcode.NXRRSET, False),
        (dns.rcode.YXRRSET, False),
        (dns.rcode.NXDOMAIN, False),
        (dns.rcode.YXDOMAIN, False),
        (dns.rcode.REFUSED, PermanentRefusal),
        (dns.rcode.NOTAUTH, Misconfigured),
        (dns.rcode.SERVFAIL, OutcomeUnknown),
    ],
)
def test_an_rcode_decides_a_probe(rcode: dns.rcode.Rcode, outcome: Any) -> None:
    with scripted(answering(rcode)) as server:
        if isinstance(outcome, bool):
            assert provider(server).probe(ZONE, [WWW]) is outcome
        else:
            with pytest.raises(outcome):
                provider(server).probe(ZONE, [WWW])


@pytest.mark.parametrize(
    ("rcode", "error"),
    [
        (dns.rcode.NOERROR, OutcomeUnknown),
        (dns.rcode.SERVFAIL, OutcomeUnknown),
        (dns.rcode.NXRRSET, OutcomeUnknown),
        (dns.rcode.NOTAUTH, KeyRefused),
        (dns.rcode.REFUSED, KeyRefused),
        (dns.rcode.FORMERR, PermanentRefusal),
        (dns.rcode.NOTIMP, Misconfigured),
    ],
)
def test_an_unsigned_answer_to_a_signed_message(
    rcode: dns.rcode.Rcode, error: type[ProviderError]
) -> None:
    def script(wire: bytes) -> bytes:
        return (
            dns.message.make_response(
                dns.message.from_wire(wire, keyring=False)
            ).to_wire()[:3]
            + bytes([0x00 | rcode])
            + b"\0" * 8
        )

    with scripted(script) as server, pytest.raises(error) as failure:
        provider(server, Secret(OLD)).apply(ZONE, [WWW], fence=STEP)

    assert type(failure.value) is error
    assert len(server.messages) == 1


def other_id(wire: bytes) -> bytes:
    """Return an answer to a message that was not sent."""
    answer = bytearray(answer_to(wire))
    answer[0] ^= 1
    return bytes(answer)


def other_zone(wire: bytes) -> bytes:
    """Return an answer about another zone."""
    update = updates.new("example.net.")
    update.id = int.from_bytes(wire[:2], "big")
    return answer_to(update.to_wire())


def a_query(wire: bytes) -> bytes:
    """Return the message itself: no answer bit."""
    return wire


def of_a_query(wire: bytes) -> bytes:
    """Return an answer with the opcode of a query."""
    return wire[:2] + bytes([0x80, 0]) + b"\0" * 8


def garbage(wire: bytes) -> bytes:
    """Return the right id and then noise."""
    return wire[:2] + b"\xff" * 40


def short(wire: bytes) -> bytes:
    """Return half of a header."""
    return wire[:6]


def nothing(wire: bytes) -> list[bytes]:
    """Return a message of no octets."""
    return [b""]


def signed_by_nobody_we_know(wire: bytes) -> bytes:
    """Return an answer signed with a key that we do not have."""
    update = updates.new(ZONE)
    update.id = int.from_bytes(wire[:2], "big")
    update.use_tsig(key(NEW, "stranger."))
    return answer_to(update.to_wire(), key=key(NEW, "stranger."))


@pytest.mark.parametrize(
    "script",
    [
        other_id,
        other_zone,
        a_query,
        of_a_query,
        garbage,
        short,
        nothing,
        signed_by_nobody_we_know,
    ],
)
def test_an_answer_that_is_none_leaves_the_outcome_unknown(script: Any) -> None:
    with scripted(script) as server, pytest.raises(OutcomeUnknown) as unknown:
        provider(server).apply(ZONE, [WWW])

    assert unknown.value.answered is True
    assert len(server.messages) == 1


def test_an_answer_with_a_wrong_signature_leaves_the_outcome_unknown() -> None:
    def script(wire: bytes) -> bytes:
        answer = bytearray(answer_to(wire, key=key(OLD)))
        answer[3] ^= dns.rcode.REFUSED
        return bytes(answer)

    with scripted(script) as server, pytest.raises(OutcomeUnknown) as unknown:
        provider(server, Secret(OLD)).apply(ZONE, [WWW])

    assert unknown.value.answered is True


def test_silence_leaves_the_outcome_unknown() -> None:
    with scripted(lambda wire: None) as server:
        with pytest.raises(OutcomeUnknown) as unknown:
            provider(server, timeout_s=0.1).apply(ZONE, [WWW])

    assert (unknown.value.answered, unknown.value.rcode) == (False, None)


def test_a_connection_closed_after_the_message_leaves_the_outcome_unknown() -> None:
    with scripted(lambda wire: CLOSE) as server:
        with pytest.raises(OutcomeUnknown) as unknown:
            provider(server).apply(ZONE, [WWW])

    assert unknown.value.answered is False
    assert len(server.messages) == 1


@pytest.mark.parametrize("action", ["probe", "check_permission", "read_marker"])
@pytest.mark.parametrize("script", [CLOSE, None, b"\0" * 12], ids=repr)
def test_asking_has_no_unknown_outcome(action: str, script: bytes | None) -> None:
    arguments = (ZONE, [WWW]) if action == "probe" else (ZONE,)
    with scripted(lambda wire: script) as server:
        with pytest.raises(Unreachable):
            getattr(provider(server, timeout_s=0.1), action)(*arguments)
