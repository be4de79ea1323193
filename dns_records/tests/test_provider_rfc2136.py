"""The RFC 2136 provider: the exact messages."""

from __future__ import annotations

import dns.flags
import dns.message
import dns.name
import dns.rcode
import dns.rrset
import dns.tsig
import dns.update
import pytest

from dns_records.providers import tsig
from dns_records.providers.base import Fence, RRsetChange
from dns_records.providers.errors import TooLate
from dns_records.tcp import Deadline
from dns_records.tests.rfc2136_kit import (
    NEW,
    OLD,
    STEP,
    WWW,
    ZONE,
    Secret,
    key,
    provider,
    sections,
)
from dns_records.tests.scripted import answer_to, scripted


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
