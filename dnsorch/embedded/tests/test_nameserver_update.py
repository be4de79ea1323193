"""UPDATE: prerequisites, prescan, update rules, serial and log."""

from __future__ import annotations

import dns.name
import dns.rcode
import dns.rdataclass
import dns.rdatatype
import dns.rrset
import dns.update
import pytest

from dnsorch.embedded.nameserver import Faults, Record
from dnsorch.embedded.tests.nameserver_helpers import ORIGIN, Server, update_message

WWW = ["www 300 A 192.0.2.1", "www 300 A 192.0.2.2"]


def changed(before: list[str], after: list[str]) -> tuple[list[str], list[str]]:
    """Return the lines that are gone and those that are new."""
    return (
        [line for line in before if line not in after],
        [line for line in after if line not in before],
    )


@pytest.mark.parametrize(
    "prerequisite, rcode",
    [
        ("yx www", "NOERROR"),
        ("yx nothing", "NXDOMAIN"),
        ("yx ent", "NXDOMAIN"),
        ("yx x.wild", "NXDOMAIN"),
        ("yx www A", "NOERROR"),
        ("yx www AAAA", "NXRRSET"),
        ("yx nothing A", "NXRRSET"),
        ("yx *.wild TXT any", "NOERROR"),
        ("yx www A 192.0.2.1", "NXRRSET"),
        ("yx nothing A 192.0.2.1", "NXRRSET"),
        ("yx alias CNAME WWW", "NOERROR"),
        ("nx nothing", "NOERROR"),
        ("nx ent", "NOERROR"),
        ("nx www", "YXDOMAIN"),
        ("nx www AAAA", "NOERROR"),
        ("nx www A", "YXRRSET"),
        ("yx www.other.test.", "NOTZONE"),
        ("nx www.other.test. A", "NOTZONE"),
    ],
)
def test_prerequisite(prerequisite: str, rcode: str) -> None:
    """Each form of RFC 2136 section 3.2, holding or not, and then nothing changes."""
    server = Server()
    before = server.records()
    assert server.update(prerequisite, "add new 60 A 192.0.2.9") == rcode
    applied = rcode == "NOERROR"
    expected = ["new 60 A 192.0.2.9"] if applied else []
    assert changed(before, server.records()) == ([], expected)
    assert server.serial == 10 + applied
    assert len(server.updates) == applied


def test_prerequisite_on_a_whole_rrset() -> None:
    """A value-dependent prerequisite wants all of the RRset, whatever its TTL."""
    server = Server()
    message = update_message("yx www A 192.0.2.2", "yx www A 192.0.2.1")
    assert server.ask(message).rcode() == dns.rcode.NOERROR
    message = update_message(
        "yx www A 192.0.2.2", "yx www A 192.0.2.1", "yx www A 192.0.2.3"
    )
    assert server.ask(message).rcode() == dns.rcode.NXRRSET


def test_probe() -> None:
    """Prerequisites alone are a question: no change, no serial, no line in the log."""
    server = Server()
    assert server.update("yx www A") == "NOERROR"
    assert server.serial == 10
    assert server.updates == []


@pytest.mark.parametrize(
    "lines, gone, new",
    [
        (["add new 60 A 192.0.2.9"], [], ["new 60 A 192.0.2.9"]),
        (["add www 300 A 192.0.2.3"], [], ["www 300 A 192.0.2.3"]),
        (
            ["add www 60 A 192.0.2.1"],
            WWW,
            ["www 60 A 192.0.2.1", "www 60 A 192.0.2.2"],
        ),
        (["del www A 192.0.2.1"], WWW[:1], []),
        (["del www A"], WWW, []),
        (["del www"], WWW, []),
        (
            ["del www A", "add www 60 A 192.0.2.7", "add www 60 A 192.0.2.8"],
            WWW,
            ["www 60 A 192.0.2.7", "www 60 A 192.0.2.8"],
        ),
        (
            ["add www 300 A 192.0.2.9", "del www A", "add www 300 A 192.0.2.1"],
            WWW[1:],
            [],
        ),
        (
            ["del www", "add www 60 CNAME ns1"],
            WWW,
            ["www 60 CNAME ns1"],
        ),
        (
            ["add alias 60 CNAME ns1"],
            ["alias 300 CNAME www"],
            ["alias 60 CNAME ns1"],
        ),
        (
            ["add alias 60 CNAME ns1", "add alias 60 CNAME www"],
            ["alias 300 CNAME www"],
            ["alias 60 CNAME www"],
        ),
        (["del @ NS ns1"], ["@ 300 NS ns1"], []),
        (["del @ NS ns1", "del @ NS ns.other.test."], ["@ 300 NS ns1"], []),
        (["add @ 300 TXT x", "del @ TXT", "add @ 300 CAA 0 issue ca"], [], None),
    ],
)
def test_change(lines: list[str], gone: list[str], new: list[str] | None) -> None:
    """What an UPDATE does to the zone is in the log, net, under one new serial."""
    new = ['@ 300 CAA 0 issue "ca"'] if new is None else new
    server = Server()
    before = server.records()
    assert server.update(*lines) == "NOERROR"
    assert changed(before, server.records()) == (sorted(gone), sorted(new))
    assert server.serial == 11
    (update,) = server.updates
    assert update.serial == 11
    assert (len(update.deletes), len(update.adds)) == (len(gone), len(new))


@pytest.mark.parametrize(
    "lines",
    [
        [],
        ["add www 300 A 192.0.2.1"],
        ["add alias 300 CNAME WWW"],
        ["del nothing"],
        ["del www AAAA"],
        ["del www A 192.0.2.77"],
        ["add new 60 A 192.0.2.9", "del new"],
        ["del www A 192.0.2.1", "add www 300 A 192.0.2.1"],
        ["add alias 60 A 192.0.2.1"],
        ["add www 60 CNAME ns1"],
        ["add @ 60 CNAME www"],
        ["del @ NS"],
        ["del @ SOA"],
        ["del @"],
        ["add @ 300 SOA ns1 hostmaster 10 1 1 1 1"],
        ["add @ 300 SOA ns1 hostmaster 9 1 1 1 1"],
        ["add www 300 SOA ns1 hostmaster 99 1 1 1 1"],
        ["del @ SOA ns1 hostmaster 10 3600 900 604800 60"],
    ],
)
def test_nothing_to_change(lines: list[str]) -> None:
    """What changes nothing, or is to be ignored, is NOERROR and leaves no mark."""
    server = Server()
    before = server.records()
    assert server.update(*lines) == "NOERROR"
    assert server.records() == before
    assert server.serial == 10
    assert server.updates == []


def test_all_of_the_apex_but_soa_and_ns() -> None:
    """Deleting every RRset of the apex leaves SOA and NS (section 3.4.2.3)."""
    server = Server()
    before = server.records()
    assert server.update("add @ 60 TXT x", "add @ 60 A 192.0.2.1") == "NOERROR"
    assert server.update("del @") == "NOERROR"
    assert server.records() == before
    assert server.serial == 12


def test_soa_of_the_client() -> None:
    """A higher serial replaces the SOA and is not raised again; it is in the log."""
    server = Server()
    assert server.update("add @ 60 SOA ns1 h 20 1 1 1 1", "del www") == "NOERROR"
    assert server.serial == 20
    (update,) = server.updates
    assert update.serial == 20
    assert Record(
        "example.test.", 60, "SOA", "ns1.example.test. h.example.test. 20 1 1 1 1"
    ) in (update.adds)


def test_serial_wraps_past_zero() -> None:
    """The serial after 2**32 - 1 is 1: BIND, too, leaves out 0."""
    server = Server("@ 60 SOA ns1 h 4294967295 1 1 1 1\n@ 60 NS ns1.other.test.\n")
    assert server.update("add new 60 A 192.0.2.9") == "NOERROR"
    assert server.serial == 1


def test_log_entry() -> None:
    """The log says who changed what: exact RRs, absolute names."""
    server = Server()
    server.update("del alias", "add alias 60 A 192.0.2.9")
    (update,) = server.updates
    assert (update.zone, update.serial) == ("example.test.", 11)
    assert (update.client, update.key) == ("192.0.2.99:5300", None)
    assert update.deletes == (
        Record("alias.example.test.", 300, "CNAME", "www.example.test."),
    )
    assert update.adds == (Record("alias.example.test.", 60, "A", "192.0.2.9"),)


@pytest.mark.parametrize(
    "rdclass, rdtype, deleting, ttl, rcode",
    [
        (dns.rdataclass.CH, dns.rdatatype.A, None, 60, "FORMERR"),
        (dns.rdataclass.IN, dns.rdatatype.A, dns.rdataclass.NONE, 60, "FORMERR"),
        (dns.rdataclass.IN, dns.rdatatype.A, dns.rdataclass.NONE, 0, "NOERROR"),
    ],
)
def test_prescan(
    rdclass: dns.rdataclass.RdataClass,
    rdtype: dns.rdatatype.RdataType,
    deleting: dns.rdataclass.RdataClass | None,
    ttl: int,
    rcode: str,
) -> None:
    """A malformed RR anywhere and nothing of the message is applied."""
    server = Server()
    message = update_message("del www")
    text = "192.0.2.1" if rdclass == dns.rdataclass.IN else "other.test. 1"
    name = dns.name.from_text("new", ORIGIN)
    rrset = dns.rrset.from_text(name, ttl, rdclass, rdtype, text)
    rrset.deleting = deleting
    message.update.append(rrset)
    assert dns.rcode.to_text(server.ask(message).rcode()) == rcode
    assert len(server.updates) == (rcode == "NOERROR")


@pytest.mark.parametrize("rdtype", ["AXFR", "MAILA", "TKEY", "OPT"])
def test_prescan_of_meta_types(rdtype: str) -> None:
    """Only ANY may be deleted among the types that are not for data."""
    server = Server()
    message = update_message("del www")
    message.delete(dns.name.from_text("www", ORIGIN), rdtype)
    assert server.ask(message).rcode() == dns.rcode.FORMERR
    assert server.updates == []


def test_out_of_zone() -> None:
    """One RR outside the zone and the whole message is NOTZONE, applied nowhere."""
    server = Server()
    assert server.update("del www", "add www.other.test. 60 A 192.0.2.1") == "NOTZONE"
    assert server.updates == []


def test_malformed_comes_before_prerequisites() -> None:
    """As in BIND, a malformed update section hides that a prerequisite fails."""
    lines = ("yx nothing", "add www.other.test. 60 A 192.0.2.1")
    assert Server().update(*lines) == "NOTZONE"


@pytest.mark.parametrize("zone", ["other.test.", "sub.example.test.", "test."])
def test_zone_of_another(zone: str) -> None:
    """An UPDATE for a zone that is not served is NOTAUTH (section 3.1.2)."""
    message = dns.update.UpdateMessage(zone)
    assert Server().ask(message).rcode() == dns.rcode.NOTAUTH


def test_large_rrset_is_one_change() -> None:
    """A thousand RRs of one RRset arrive in one message, in one step of the serial."""
    server = Server()
    lines = [f"add big 60 A 10.0.{i // 256}.{i % 256}" for i in range(1000)]
    message = update_message(*lines)
    assert server.ask(message, stream=True).rcode() == dns.rcode.NOERROR
    assert server.serial == 11
    assert len(server.updates[0].adds) == 1000


@pytest.mark.parametrize(
    "faults, rcode, new",
    [
        (Faults(drop_updates=True), "NOERROR", []),
        (Faults(refuse_updates=True), "REFUSED", []),
        (Faults(servfail_updates=True), "SERVFAIL", []),
        (
            Faults(ignore_names=frozenset([dns.name.from_text("BAD", ORIGIN)])),
            "NOERROR",
            ["good 60 A 192.0.2.1"],
        ),
        (
            Faults(refuse_names=frozenset([dns.name.from_text("BAD", ORIGIN)])),
            "REFUSED",
            [],
        ),
        (Faults(), "NOERROR", ["bad 60 A 192.0.2.2", "good 60 A 192.0.2.1"]),
    ],
)
def test_faults(faults: Faults, rcode: str, new: list[str]) -> None:
    """A server told to misbehave does so from the next message on, and then stops."""
    server = Server()
    before = server.records()
    server.responder.faults = faults
    lines = ("add good 60 A 192.0.2.1", "add bad 60 A 192.0.2.2")
    assert server.update(*lines) == rcode
    assert changed(before, server.records()) == ([], new)
    assert server.update("yx nothing", "add bad 60 A 192.0.2.1") == (
        "NXDOMAIN" if rcode == "NOERROR" else rcode
    )
    server.responder.faults = Faults()
    assert server.update("del good", "del bad", "add bad 60 A 192.0.2.3") == "NOERROR"
    assert changed(before, server.records()) == ([], ["bad 60 A 192.0.2.3"])
