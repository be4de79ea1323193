"""The RFC 2136 provider: the exact messages, and every way an answer can go wrong."""

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

from dns_records.providers import tsig, updates
from dns_records.providers.base import Fence, RRsetChange
from dns_records.providers.errors import (
    Fenced,
    KeyRefused,
    Misconfigured,
    OutcomeUnknown,
    PermanentRefusal,
    ProviderError,
    TooLate,
    Unreachable,
)
from dns_records.tcp import Deadline
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
    sections,
)
from dns_records.tests.scripted import CLOSE, answer_to, scripted

# --- the exact messages ------------------------------------------------------------


def test_apply_sends_exactly_this_message() -> None:
    changes = [
        WWW,
        RRsetChange("alias.example.test.", "CNAME", 60, ("www.example.test.",)),
        RRsetChange("old.example.test.", "A", 0, ()),
        RRsetChange("*.example.test.", "TXT", 5, ('"a b" "c"',)),
        RRsetChange("alias.example.test.", "AAAA", 0, ()),
    ]
    with scripted(answer_to) as server:
        receipt = provider(server).apply(ZONE, changes, fence=STEP)

    assert len(server.messages) == 1
    assert sections(server.messages[0]) == [
        ["example.test. IN SOA"],
        ['_dnsorch.example.test. 0 IN TXT "v1 3 41"'],
        [
            "_dnsorch.example.test. ANY TXT",
            '_dnsorch.example.test. 0 IN TXT "v1 3 42"',
            "old.example.test. ANY A",
            "alias.example.test. ANY AAAA",
            "www.example.test. ANY A",
            "www.example.test. 300 IN A 192.0.2.1",
            "www.example.test. 300 IN A 192.0.2.2",
            "alias.example.test. ANY CNAME",
            "alias.example.test. 60 IN CNAME www.example.test.",
            "*.example.test. ANY TXT",
            '*.example.test. 5 IN TXT "a b" "c"',
        ],
        [],
    ]
    assert receipt.rcode == "NOERROR"
    assert receipt.octets == len(server.messages[0])


def test_the_first_marker_requires_a_free_name() -> None:
    with scripted(answer_to) as server:
        provider(server).apply(ZONE, [], fence=Fence(None, "v1 1 1"))

    assert sections(server.messages[0]) == [
        ["example.test. IN SOA"],
        ["_dnsorch.example.test. NONE ANY"],
        [
            "_dnsorch.example.test. ANY TXT",
            '_dnsorch.example.test. 0 IN TXT "v1 1 1"',
        ],
        [],
    ]


def test_probe_sends_prerequisites_and_no_update() -> None:
    gone = RRsetChange("old.example.test.", "CNAME", 0, ())
    with scripted(answer_to) as server:
        assert provider(server).probe(ZONE, [WWW, gone])

    assert [sections(message) for message in server.messages] == [
        [
            ["example.test. IN SOA"],
            [
                "www.example.test. 0 IN A 192.0.2.1",
                "www.example.test. 0 IN A 192.0.2.2",
                "old.example.test. NONE CNAME",
            ],
            [],
            [],
        ]
    ]


def test_check_permission_deletes_one_record_that_is_never_there() -> None:
    with scripted(answer_to) as server:
        provider(server).check_permission(ZONE)

    assert [sections(message) for message in server.messages] == [
        [
            ["example.test. IN SOA"],
            [],
            ['_dnsorch.example.test. 0 NONE TXT "dnsorch permission check"'],
            [],
        ]
    ]


def test_apex_name_servers_are_added_before_the_old_ones_go() -> None:
    def serve(wire: bytes) -> bytes:
        query = dns.message.from_wire(wire)
        if isinstance(query, dns.update.UpdateMessage):
            return answer_to(wire)
        answer = dns.message.make_response(query)
        answer.flags |= dns.flags.AA
        names = ["ns1.example.test.", "ns2.example.test."]
        answer.answer = [dns.rrset.from_text_list(ZONE, 600, "IN", "NS", names)]
        return answer.to_wire()

    image = RRsetChange(ZONE, "NS", 60, ("ns2.example.test.", "ns3.example.test."))
    with scripted(serve) as server:
        provider(server).apply(ZONE, [image])

    question, update = server.messages
    assert dns.message.from_wire(question).question[0].to_text() == f"{ZONE} IN NS"
    assert sections(update)[1:] == [
        [],
        [
            "example.test. 60 IN NS ns2.example.test.",
            "example.test. 60 IN NS ns3.example.test.",
            "example.test. 0 NONE NS ns1.example.test.",
        ],
        [],
    ]


def test_a_signed_message_carries_one_good_tsig() -> None:
    with scripted(lambda wire: answer_to(wire, key=key(OLD))) as server:
        provider(server, Secret(OLD)).apply(ZONE, [WWW], fence=STEP)

    (message,) = server.messages
    signed = dns.message.from_wire(message, keyring=key(OLD))
    assert signed.had_tsig and signed.keyname == dns.name.from_text("dnsorch.")
    with pytest.raises(dns.tsig.BadSignature):
        dns.message.from_wire(message, keyring=key(NEW))


@pytest.mark.parametrize(
    ("seconds", "fudge"), [(3600.0, 30), (31.0, 30), (20.9, 20), (0.9, 1)]
)
def test_a_message_is_good_for_as_long_as_the_lease_and_no_longer(
    seconds: float, fudge: int
) -> None:
    assert tsig.fudge(Deadline(seconds)) == fudge
    assert tsig.fudge(None) == 300
    with pytest.raises(TooLate):
        tsig.fudge(Deadline(0))


def test_the_signature_has_the_fudge_of_the_message(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(tsig, "fudge", lambda until: 17 if until else 300)
    with scripted(lambda wire: answer_to(wire, key=key(OLD))) as server:
        speaker = provider(server, Secret(OLD))
        speaker.apply(ZONE, [WWW], fence=STEP, until=Deadline(60))
        speaker.probe(ZONE, [WWW])

    found = [dns.message.from_wire(each, keyring=key(OLD)) for each in server.messages]
    assert [each.tsig and each.tsig[0].fudge for each in found] == [17, 300]


def test_what_is_expected_stands_before_the_update() -> None:
    expected = [WWW, RRsetChange("new.example.test.", "A", 0, ())]
    with scripted(answer_to) as server:
        provider(server).apply(
            ZONE,
            [RRsetChange("new.example.test.", "A", 60, ("192.0.2.7",))],
            expected=expected,
        )

    assert sections(server.messages[0])[1:3] == [
        [
            "www.example.test. 0 IN A 192.0.2.1",
            "www.example.test. 0 IN A 192.0.2.2",
            "new.example.test. NONE A",
        ],
        ["new.example.test. ANY A", "new.example.test. 60 IN A 192.0.2.7"],
    ]


def test_the_size_is_an_upper_bound_not_far_off() -> None:
    changes = [
        RRsetChange(f"host-{n}.example.test.", "A", 300, (f"192.0.2.{n % 256}",))
        for n in range(1000)
    ]
    with scripted(lambda wire: answer_to(wire, key=key(OLD))) as server:
        patient = provider(server, Secret(OLD))
        receipt = patient.apply(ZONE, changes, fence=STEP)
        bound = patient.message_octets(ZONE, changes)

    assert receipt.octets <= bound <= 65_535
    assert len(
        dns.message.from_wire(server.messages[0], keyring=False).sections[2]
    ) == (2002)


# --- answers -----------------------------------------------------------------------

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
