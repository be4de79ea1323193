"""The table of record types agrees with dnspython and explains itself."""

from __future__ import annotations

import dns.name
import dns.rdata
import dns.rdataclass
import dns.rdatatype
import pytest

from dns_records import rdata, record_types, validation
from dns_records.record_types import RECORD_TYPES, REFUSED_TYPES, RecordType
from dns_records.record_types.refused import KNOWN, SUPPORTED
from dnsorch.exceptions import NameNotAbsolute

ALL = list(RECORD_TYPES.values())


# What the product promises; more than dnspython's list less what is refused could say.
PROMISED = """
    A AAAA AFSDB APL CAA CDNSKEY CDS CERT CNAME CSYNC DHCID DNAME DNSKEY DS EUI48 EUI64
    HINFO HTTPS KX L32 L64 LOC LP MX NAPTR NID NS OPENPGPKEY PTR RP SMIMEA SPF SRV SSHFP
    SVCB TLSA TXT URI ZONEMD
"""


def test_the_supported_types() -> None:
    assert list(RECORD_TYPES) == PROMISED.split()


@pytest.mark.parametrize("name", sorted(KNOWN))
def test_a_known_type_is_supported_or_refused_with_a_reason(name: str) -> None:
    assert (name in RECORD_TYPES) is not bool(REFUSED_TYPES.get(name))


def test_what_is_refused_is_known_or_no_type_at_all() -> None:
    assert REFUSED_TYPES.keys() - KNOWN == {"ALIAS", "ANAME", "LUA"}
    assert SUPPORTED == set(RECORD_TYPES)


@pytest.mark.parametrize("rtype", ALL, ids=lambda rtype: rtype.name)
def test_a_row_agrees_with_dnspython(rtype: RecordType) -> None:
    assert dns.rdatatype.to_text(dns.rdatatype.RdataType.make(rtype.number)) == (
        rtype.name
    )
    assert dns.rdatatype.is_singleton(dns.rdatatype.RdataType.make(rtype.number)) is (
        rtype.singleton
    )
    parsed = rdata.parse(rtype.name, rtype.example, zone="example.test.")
    assert parsed.text == rtype.example
    held = {
        field
        for kind in type(parsed.value).__mro__
        for field in getattr(kind, "__slots__", ())
        if isinstance(getattr(parsed.value, field), dns.name.Name)
    }
    assert held == set(rtype.names)


@pytest.mark.parametrize("rtype", ALL, ids=lambda rtype: rtype.name)
def test_a_row_says_why_it_is_there(rtype: RecordType) -> None:
    assert rtype.reason and rtype.expected
    assert rtype.reference.startswith("RFC ")


def test_flags() -> None:
    def having(flag: str) -> list[str]:
        return [rtype.name for rtype in ALL if getattr(rtype, flag)]

    def lacking(flag: str) -> list[str]:
        return [rtype.name for rtype in ALL if not getattr(rtype, flag)]

    assert having("exclusive") == ["CNAME"]
    assert having("singleton") == ["CNAME", "DNAME"]
    assert lacking("at_apex") == ["CNAME", "DS"]
    assert lacking("below_apex") == ["CDNSKEY", "CDS", "CSYNC", "DNSKEY", "ZONEMD"]
    assert lacking("wildcard") == ["DNAME", "NS"]
    assert having("hosts") == ["AFSDB", "KX", "MX", "NS", "SRV"]
    assert having("mailboxes") == ["RP"]
    assert having("at_delegation") == ["DS", "NS"]
    assert having("null_target") == ["MX", "SRV"]
    assert having("strings") == ["SPF", "TXT"]
    assert having("host_owner") == ["A", "AAAA", "DHCID", "MX", "SSHFP"]
    assert having("obsolete") == ["SPF"]
    assert having("generic") == []


@pytest.mark.parametrize("text", ["A", "a", "Aaaa", "txt"])
def test_lookup_takes_any_case(text: str) -> None:
    assert record_types.lookup(text).name == text.upper()


@pytest.mark.parametrize("name", sorted(REFUSED_TYPES))
def test_lookup_says_why_a_type_is_refused(name: str) -> None:
    assert name not in RECORD_TYPES
    with pytest.raises(record_types.UnsupportedType) as caught:
        record_types.lookup(name.lower())
    assert caught.value.code == "unsupported_type"
    assert caught.value.status == 400
    assert caught.value.detail == (
        f"Records of type {name} are refused: {REFUSED_TYPES[name]}."
    )


@pytest.mark.parametrize("text", ["", "TYPE", "TYPE01", "A ", "ſrv", "X" * 100])
def test_lookup_names_the_supported_types(text: str) -> None:
    with pytest.raises(record_types.UnsupportedType) as caught:
        record_types.lookup(text)
    assert caught.value.detail.endswith(f"supported are {', '.join(PROMISED.split())}.")
    assert len(caught.value.detail) <= 320


@pytest.mark.parametrize("text", ["TYPE65280", "type1234", "TYPE54"])
def test_a_type_without_a_name_is_found_by_its_number(text: str) -> None:
    row = record_types.lookup(text)
    assert (row.name, row.generic) == (text.upper(), True)
    assert row.number == int(text[4:])


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("TYPE1", "the number has the name A"),
        ("TYPE6", "the number has the name SOA"),
        ("TYPE0", "its number is reserved"),
        ("TYPE41", "the number has the name OPT"),
        ("TYPE57", "the number has the name RKEY, which is not supported"),
        ("TYPE128", "the number has the name NXNAME"),
        ("TYPE129", "it is a question or a part of one message"),
        ("TYPE248", "it is a question or a part of one message"),
        ("TYPE252", "the number has the name AXFR"),
        ("TYPE259", "the number has the name DOA, which is not supported"),
        ("TYPE65534", "BIND keeps the state of its signing there"),
        ("TYPE65535", "the number is reserved"),
        ("TYPE65536", "a type is a number up to 65535"),
        ("TYPE99999", "a type is a number up to 65535"),
    ],
)
def test_a_number_that_is_no_unknown_type_is_refused(text: str, why: str) -> None:
    with pytest.raises(record_types.UnsupportedType) as caught:
        record_types.lookup(text.lower())
    assert f"Records of type {text} are refused: {why}" in caught.value.detail


# A type of two fields that dnspython knows and the table has not.
RT = RecordType(
    name="RT",
    number=21,
    reason="a route to hosts without a network address",
    reference="RFC 1183 section 3.3",
    expected="a preference and a name that ends in a dot",
    example="10 relay.example.test.",
    below_apex=False,
    domains=("exchange",),
)


def test_a_type_is_a_row(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(record_types, "RECORD_TYPES", {**RECORD_TYPES, "RT": RT})
    parsed = rdata.parse("rt", "5 Site.Example.test.", zone="example.test.")
    assert (parsed.text, parsed.names) == (
        "5 site.example.test.",
        ("site.example.test.",),
    )
    answered = dns.rdata.from_text("IN", "RT", "5 Site.Example.test.")
    assert rdata.from_dnspython(answered) == parsed
    with pytest.raises(NameNotAbsolute):
        rdata.parse("RT", "5 site", zone="example.test.")
    context = validation.Context("example.test.")
    (finding,) = validation.check_node(context, "a.example.test.", ["RT"], [])
    assert (finding.code, finding.status) == ("rt_below_apex", 400)
    assert validation.check_node(context, "example.test.", ["RT"], []) == []
