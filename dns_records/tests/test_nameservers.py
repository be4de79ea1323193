"""What a name server is seen to serve, on scripted answers and on real ones."""

from __future__ import annotations

import random
from typing import Any

import dns.flags
import dns.message
import dns.name
import dns.rcode
import dns.rdata
import dns.rrset
import dns.zone
import pytest

from dns_records import nameservers, rdata
from dns_records.nameservers import Answer, Question, Report
from dns_records.tests.scripted import CLOSE, scripted
from dnsorch.embedded import nameserver

ZONE = "example.test."
SOA = "ns1.example.test. hostmaster.example.test. 42 1 1 1 1"
ZONE_FILE = """
$TTL 300
@            SOA ns1 hostmaster 42 3600 600 86400 60
@            NS ns1
ns1          A 127.0.0.1
www          A 192.0.2.2
www          A 192.0.2.1
www       60 TXT "a b" "c"
alias        CNAME www
ent.below    A 192.0.2.1
*.wild       A 192.0.2.7
same.wild    A 192.0.2.7
other.wild   A 192.0.2.8
text.wild    TXT "x"
sub      600 NS ns1.sub
sub      600 NS ns.example.net.
ns1.sub   60 A 192.0.2.53
"""


def ask_real(*questions: Question, zone: str = ZONE) -> Report:
    """Ask the development name server that serves ZONE_FILE."""
    loaded = nameserver_zone()
    with nameserver.running([loaded]) as server:
        address = f"{server.host}:{server.port}"
        return nameservers.ask(address, zone, questions, timeout=5.0)


def nameserver_zone() -> Any:
    """Return ZONE_FILE as the development name server wants it."""
    from dnsorch.embedded.nameserver import zone

    return zone.from_text(ZONE_FILE, ZONE)


def answer(wire: bytes, *texts: str, rcode: dns.rcode.Rcode = dns.rcode.NOERROR) -> Any:
    """Return an answer with authority that holds these RRs, to be changed further."""
    message = dns.message.make_response(dns.message.from_wire(wire))
    message.flags |= dns.flags.AA
    message.set_rcode(rcode)
    name, rdtype = message.question[0].name, message.question[0].rdtype
    if rdtype == dns.rdatatype.SOA:
        texts = (SOA,)
    if texts:
        message.answer = [dns.rrset.from_text_list(name, 300, "IN", rdtype, texts)]
    return message


WWW = Question("www.example.test.", "A")


@pytest.mark.parametrize(
    ("name", "rtype", "expected"),
    [
        ("www", "A", Answer(300, ("192.0.2.1", "192.0.2.2"))),
        ("www", "TXT", Answer(60, ('"a b" "c"',))),
        ("www", "AAAA", None),
        ("nothing", "A", None),
        ("below", "A", None),
        ("alias", "CNAME", Answer(300, ("www.example.test.",))),
        ("alias", "A", None),
        ("alias", "TXT", None),
        ("any.wild", "A", Answer(300, ("192.0.2.7",))),
        ("*.wild", "A", Answer(300, ("192.0.2.7",))),
        ("text.wild", "A", None),
        ("sub", "NS", Answer(600, ("ns.example.net.", "ns1.sub.example.test."))),
        ("ns1.sub", "A", Answer(60, ("192.0.2.53",))),
    ],
)
def test_what_a_name_server_says(
    name: str, rtype: str, expected: Answer | None
) -> None:
    question = Question(f"{name}.{ZONE}", rtype)

    report = ask_real(question)

    assert report.answers == {question: expected}
    assert (report.serial, report.error, report.hidden) == (42, None, frozenset())


@pytest.mark.parametrize(
    ("name", "rtype"),
    [("sub", "A"), ("sub", "TXT"), ("x.sub", "A"), ("x.sub", "NS"), ("x.sub", "TXT")],
)
def test_what_a_delegation_hides_is_not_answered(name: str, rtype: str) -> None:
    hidden, seen = Question(f"{name}.{ZONE}", rtype), WWW

    report = ask_real(hidden, seen)

    assert report.hidden == {hidden}
    assert set(report.answers) == {seen}
    assert report.error == (
        f"{name}.example.test. {rtype}: hidden by the delegation of sub.example.test."
    )


@pytest.mark.parametrize("rtype", ["A", "CNAME", "TXT"])
def test_what_a_dname_hides_is_not_answered(rtype: str) -> None:
    """What is answered is made up from the DNAME, whatever stands below it."""

    def script(wire: bytes) -> bytes:
        made = answer(wire)
        name = made.question[0].name
        if name.to_text() == "x.moved.example.test.":
            texts = ("moved.example.test.", 300, "IN", "DNAME", "example.net.")
            synthesized = (name, 300, "IN", "CNAME", "x.example.net.")
            made.answer = [
                dns.rrset.from_text(*texts),
                dns.rrset.from_text(*synthesized),
            ]
        wire_answer: bytes = made.to_wire()
        return wire_answer

    hidden = Question("x.moved.example.test.", rtype)
    with scripted(script) as server:
        report = nameservers.ask(
            f"127.0.0.1:{server.port}", ZONE, [hidden], timeout=5.0
        )

    assert report.hidden == frozenset({hidden})
    assert report.answers == {}
    assert report.error == (
        f"x.moved.example.test. {rtype}: hidden by the DNAME of moved.example.test."
    )


def test_the_soa_may_be_asked_for_itself() -> None:
    soa = Question(ZONE, "SOA")
    (record,) = ask_real(soa).answers[soa].records  # type: ignore[union-attr]

    assert record.split()[2] == "42"


def test_a_zone_that_is_not_served_has_no_answers() -> None:
    report = ask_real(Question("www.example.net.", "A"), zone="example.net.")

    assert (report.serial, report.answers) == (None, {})
    assert report.error == "example.net. SOA: REFUSED"


def test_questions_go_over_one_connection_in_windows() -> None:
    count = 3 * nameservers.WINDOW
    questions = [Question(f"h{n}.example.test.", "A") for n in range(count)]

    with scripted(lambda wire: answer(wire).to_wire()) as server:
        report = nameservers.ask(
            f"127.0.0.1:{server.port}", ZONE, questions + questions, timeout=5.0
        )

    assert report.answers == dict.fromkeys(questions)
    assert server.connections == 1
    queries = [dns.message.from_wire(wire) for wire in server.messages]
    assert [query.question[0].to_text() for query in queries] == [
        "example.test. IN SOA",
        *(f"{question.name} IN A" for question in questions),
    ]
    assert {int(query.flags) for query in queries} == {0}


def test_answers_may_come_in_any_order() -> None:
    questions = [Question(f"h{n}.example.test.", "A") for n in range(20)]
    held: list[bytes] = []

    def script(wire: bytes) -> list[bytes] | None:
        number = dns.message.from_wire(wire).question[0].name[0][1:].decode()
        held.append(answer(wire, *[f"192.0.2.{number}"] * number.isdigit()).to_wire())
        if len(held) <= len(questions):
            return None
        random.Random(1).shuffle(held)
        return held

    with scripted(script) as server:
        address = f"127.0.0.1:{server.port}"
        report = nameservers.ask(address, ZONE, questions, timeout=5.0)

    assert report.error is None
    assert report.answers == {
        question: Answer(300, (f"192.0.2.{n}",)) for n, question in enumerate(questions)
    }


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda m: setattr(m, "flags", m.flags & ~dns.flags.AA), "no authority"),
        (lambda m: setattr(m, "flags", m.flags & ~dns.flags.QR), "another question"),
        (lambda m: m.question.clear(), "another question"),
        (lambda m: m.set_rcode(dns.rcode.SERVFAIL), "SERVFAIL"),
        (lambda m: m.set_rcode(dns.rcode.REFUSED), "REFUSED"),
    ],
)
def test_an_answer_that_does_not_count(change: Any, said: str) -> None:
    def script(wire: bytes) -> bytes:
        message = answer(wire, "192.0.2.1")
        if message.question[0].rdtype == dns.rdatatype.A:
            change(message)
        else:
            message = answer(wire)
        return bytes(message.to_wire())

    with scripted(script) as server:
        report = nameservers.ask(f"127.0.0.1:{server.port}", ZONE, [WWW], timeout=5.0)

    assert (report.serial, report.answers) == (42, {})
    assert report.error is not None and report.error.endswith(said)


@pytest.mark.parametrize("cut", ["example.test.", "test.", ".", "sub.example.test."])
def test_a_referral_to_elsewhere_does_not_count(cut: str) -> None:
    def script(wire: bytes) -> bytes:
        message = answer(wire)
        message.flags &= ~dns.flags.AA
        message.answer = []
        message.authority = [dns.rrset.from_text(cut, 1, "IN", "NS", "ns.example.net.")]
        return bytes(message.to_wire())

    with scripted(script) as server:
        report = nameservers.ask(f"127.0.0.1:{server.port}", ZONE, [WWW], timeout=5.0)

    assert (report.serial, report.answers, report.hidden) == (None, {}, frozenset())


def test_nxdomain_of_a_cname_target_is_no_answer_about_the_target() -> None:
    def script(wire: bytes) -> bytes:
        message = answer(wire)
        if message.question[0].rdtype == dns.rdatatype.A:
            message.set_rcode(dns.rcode.NXDOMAIN)
            message.answer = [
                dns.rrset.from_text(WWW.name, 1, "IN", "CNAME", "gone.example.test.")
            ]
        return bytes(message.to_wire())

    with scripted(script) as server:
        report = nameservers.ask(f"127.0.0.1:{server.port}", ZONE, [WWW], timeout=5.0)

    assert report.answers == {WWW: None}


@pytest.mark.parametrize(
    ("script", "said"),
    [
        (lambda wire: CLOSE, "the connection was closed"),
        (lambda wire: None, "timed out"),
        (lambda wire: b"\0" * 12, None),
        (lambda wire: wire[:2] + b"\xff" * 30, "unreadable"),
        (lambda wire: b"", "timed out"),
    ],
    ids=["closes", "silent", "other id", "garbage", "nothing"],
)
def test_trouble_is_in_the_report(script: Any, said: str | None) -> None:
    with scripted(script) as server:
        report = nameservers.ask(f"127.0.0.1:{server.port}", ZONE, [WWW], timeout=0.2)

    assert (report.serial, report.answers) == (None, {})
    assert report.error and (said or "nobody asked") in report.error


def test_what_was_answered_before_the_trouble_is_kept() -> None:
    def script(wire: bytes) -> bytes:
        message = answer(wire)
        return message.to_wire() if len(server.messages) == 1 else CLOSE

    with scripted(script) as server:
        report = nameservers.ask(f"127.0.0.1:{server.port}", ZONE, [WWW], timeout=5.0)

    assert (report.serial, report.answers) == (42, {})
    assert report.error == "the connection was closed"


@pytest.mark.parametrize(
    "address",
    [
        "",
        ":53",
        "127.0.0.1:",
        "127.0.0.1:x",
        "127.0.0.1:0",
        "[::1",
        "[::1]53",
        "h:65536",
    ],
)
def test_an_address_that_is_none_is_in_the_report(address: str) -> None:
    report = nameservers.ask(address, ZONE, [WWW], timeout=1.0)

    assert report.address == address
    assert report.error is not None and repr(address) in report.error


@pytest.mark.parametrize(
    ("served", "written"),
    [
        ("TXT", '"v=spf1 -all"'),
        ("TXT", r'"\"quoted\" back\\slash" "\195\164" ""'),
        ("MX", "10 Mail.Example.TEST."),
        ("MX", "0 ."),
        ("SRV", "0 5 5060 SIP.Example.test."),
        ("CAA", '0 ISSUE "ca.example.net; policy=ev"'),
        ("CAA", '128 iodef "mailto:a@b.example"'),
        ("CNAME", "WWW.example.test."),
        ("NS", "ns1.Example.test."),
        ("PTR", "a\\.b.example.test."),
        ("A", "192.0.2.1"),
        ("AAAA", "2001:DB8:0:0::1"),
    ],
)
def test_what_is_served_reads_as_what_was_wanted(served: str, written: str) -> None:
    record = dns.rdata.from_text("IN", served, written)
    wanted = rdata.parse(served, written, zone=ZONE).text

    assert nameservers.canonical_records([record]) == (wanted,)


def test_canonical_records_are_sorted_and_take_unknown_types() -> None:
    records = [dns.rdata.from_text("IN", "A", f"192.0.2.{n}") for n in (9, 10, 1)]
    assert nameservers.canonical_records(records) == (
        "192.0.2.1",
        "192.0.2.10",
        "192.0.2.9",
    )
    unknown = dns.rdata.from_text("IN", "TYPE65280", r"\# 1 ff")
    assert nameservers.canonical_records([unknown]) == (r"\# 1 ff",)


@pytest.mark.parametrize(
    ("name", "asked"),
    [
        ("a.b.example.test.", ["*.b.example.test.", "*.example.test."]),
        ("www.example.test.", ["*.example.test."]),
        ("*.b.example.test.", ["*.example.test."]),
        ("*.example.test.", []),
        ("example.test.", []),
    ],
)
def test_an_absent_rrset_asks_for_the_wildcards_too(
    name: str, asked: list[str]
) -> None:
    assert nameservers.questions_for(ZONE, name, "A") == [Question(name, "A")]
    assert nameservers.questions_for(ZONE, name, "A", absent=True) == [
        Question(name, "A"),
        *(Question(wildcard, "A") for wildcard in asked),
    ]


@pytest.mark.parametrize(
    ("name", "image", "shown"),
    [
        ("www", Answer(300, ("192.0.2.1", "192.0.2.2")), True),
        ("www", Answer(60, ("192.0.2.1", "192.0.2.2")), False),
        ("www", Answer(300, ("192.0.2.1",)), False),
        ("www", None, False),
        ("nothing", None, True),
        ("nothing", Answer(300, ("192.0.2.1",)), False),
        ("gone.wild", None, True),
        ("gone.wild", Answer(300, ("192.0.2.1",)), False),
        ("other.wild", None, False),
        # What a plain question cannot tell: it exists, and is as the wildcard says.
        ("same.wild", None, True),
        ("x.sub", None, False),
    ],
)
def test_what_a_report_shows(name: str, image: Answer | None, shown: bool) -> None:
    owner = f"{name}.{ZONE}"
    asked = nameservers.questions_for(ZONE, owner, "A", absent=image is None)
    report = ask_real(*asked)

    assert nameservers.shows(report, ZONE, Question(owner, "A"), image) is shown
