"""Queries: what is answered from the zone, and with what rcode."""

from __future__ import annotations

import dns.flags
import dns.message
import dns.name
import dns.rcode
import dns.rdatatype
import dns.rrset
import pytest

from dnsorch.embedded.tests.nameserver_helpers import ORIGIN, Server, update_message


def lines(section: list[dns.rrset.RRset]) -> list[str]:
    """Return the RRs of a section as ``name type rdata``, relative to the zone."""
    return [
        f"{rrset.name.relativize(ORIGIN)} {rdata.rdtype.name}"
        f" {rdata.to_text(origin=ORIGIN)}"
        for rrset in section
        for rdata in sorted(rrset)
    ]


@pytest.mark.parametrize(
    "name, rdtype, answer",
    [
        ("www", "A", ["www A 192.0.2.1", "www A 192.0.2.2"]),
        ("WWW", "A", ["WWW A 192.0.2.1", "WWW A 192.0.2.2"]),
        ("www", "ANY", ["www A 192.0.2.1", "www A 192.0.2.2"]),
        ("alias", "CNAME", ["alias CNAME www"]),
        (
            "alias",
            "A",
            ["alias CNAME www", "www A 192.0.2.1", "www A 192.0.2.2"],
        ),
        ("far", "A", ["far CNAME www.other.test."]),
        ("loop", "A", ["loop CNAME pool", "pool CNAME loop"]),
        ("x.wild", "TXT", ['x.wild TXT "any"']),
        ("x.y.wild", "TXT", ['x.y.wild TXT "any"']),
        ("*.wild", "TXT", ['*.wild TXT "any"']),
        (
            "q.wildalias",
            "A",
            ["q.wildalias CNAME www", "www A 192.0.2.1", "www A 192.0.2.2"],
        ),
        ("sub", "DS", ["sub DS 1 8 2 " + "00" * 32]),
    ],
)
def test_answer(name: str, rdtype: str, answer: list[str]) -> None:
    """What exists is answered with authority and nothing beside it."""
    response = Server().query(name, rdtype)
    assert response.rcode() == dns.rcode.NOERROR
    assert lines(response.answer) == answer
    assert response.flags & dns.flags.AA
    assert response.authority == []


@pytest.mark.parametrize(
    "name, rdtype, rcode, answer",
    [
        ("www", "AAAA", dns.rcode.NOERROR, []),
        ("alias", "AAAA", dns.rcode.NOERROR, ["alias CNAME www"]),
        ("ent", "TXT", dns.rcode.NOERROR, []),
        ("deep.ent", "ANY", dns.rcode.NOERROR, []),
        ("wild", "TXT", dns.rcode.NOERROR, []),
        ("x.wild", "A", dns.rcode.NOERROR, []),
        ("nothing", "A", dns.rcode.NXDOMAIN, []),
        ("b.deep.ent", "A", dns.rcode.NXDOMAIN, []),
        ("www.www", "A", dns.rcode.NXDOMAIN, []),
        ("dangling", "A", dns.rcode.NXDOMAIN, ["dangling CNAME nothing"]),
    ],
)
def test_denial(
    name: str, rdtype: str, rcode: dns.rcode.Rcode, answer: list[str]
) -> None:
    """What does not exist is denied with the SOA, its TTL lowered to the minimum."""
    response = Server().query(name, rdtype)
    assert response.rcode() == rcode
    assert lines(response.answer) == answer
    assert lines(response.authority) == ["@ SOA ns1 hostmaster 10 3600 900 604800 60"]
    assert response.authority[0].ttl == 60
    assert response.flags & dns.flags.AA


@pytest.mark.parametrize("name", ["sub", "www.sub", "ns.sub"])
def test_referral(name: str) -> None:
    """At and below a delegation the answer is a referral with glue, not authority."""
    response = Server().query(name, "A")
    assert response.rcode() == dns.rcode.NOERROR
    assert response.answer == []
    assert lines(response.authority) == ["sub NS ns.sub"]
    assert lines(response.additional) == ["ns.sub A 192.0.2.53"]
    assert not response.flags & dns.flags.AA


def test_foreign_zone_is_refused() -> None:
    """A name in no zone of the server is not answered."""
    assert Server().query("www.other.test.", "A").rcode() == dns.rcode.REFUSED


def test_empty_non_terminal_ends_with_its_last_descendant() -> None:
    """A name between others exists as long as something is below it."""
    server = Server()
    assert server.update("del a.deep.ent") == "NOERROR"
    assert server.query("ent", "A").rcode() == dns.rcode.NXDOMAIN


def test_truncation() -> None:
    """Too much for UDP: TC without EDNS and with 512, all of it with 1232 or TCP."""
    server = Server()
    assert server.update(*(f"add big 60 TXT {'x' * 200}{i}" for i in range(5))) == (
        "NOERROR"
    )
    query = dns.message.make_query("big.example.test.", "TXT")
    truncated = server.ask(query)
    assert truncated.flags & dns.flags.TC
    assert truncated.answer == []
    query.use_edns(0, payload=512)
    assert server.ask(query).flags & dns.flags.TC
    assert not server.ask(query, stream=True).flags & dns.flags.TC
    query.use_edns(0, payload=4096)
    assert len(server.ask(query).answer[0]) == 5


def test_edns_version() -> None:
    """An EDNS version other than 0 is BADVERS (RFC 6891 section 6.1.3)."""
    query = dns.message.make_query("www.example.test.", "A", use_edns=1)
    response = Server().ask(query)
    assert response.rcode() == dns.rcode.BADVERS
    assert response.answer == []


def test_work_does_not_grow_with_the_zone(monkeypatch: pytest.MonkeyPatch) -> None:
    """An UPDATE and a denial compare a handful of names, however many there are."""
    names = "".join(f"host{i} 300 A 192.0.2.1\n" for i in range(2000))
    server = Server("@ 300 SOA ns1 h 1 1 1 1 1\n@ 300 NS ns1.other.test.\n" + names)
    compared = 0
    compare = dns.name.Name.fullcompare

    def counting(
        self: dns.name.Name, other: dns.name.Name
    ) -> tuple[dns.name.NameRelation, int, int]:
        nonlocal compared
        compared += 1
        return compare(self, other)

    monkeypatch.setattr(dns.name.Name, "fullcompare", counting)
    server.ask(update_message("yx host7 A", "nx a.b A", "add a.b 60 A 192.0.2.2"))
    server.query("b", "A")
    server.query("zzz", "A")
    assert len(server.updates) == 1
    assert compared < 2000
