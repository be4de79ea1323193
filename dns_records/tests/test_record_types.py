"""The table of record types agrees with dnspython and explains itself."""

from __future__ import annotations

import dns.name
import dns.rdata
import dns.rdataclass
import dns.rdatatype
import pytest

from dns_records import rdata, record_types, validation
from dns_records.record_types import RECORD_TYPES, REFUSED_TYPES, RecordType
from dnsorch.exceptions import NameNotAbsolute

ALL = list(RECORD_TYPES.values())


def test_the_supported_types() -> None:
    assert sorted(RECORD_TYPES) == [
        "A",
        "AAAA",
        "CAA",
        "CNAME",
        "MX",
        "NS",
        "PTR",
        "SRV",
        "TXT",
    ]


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
    held = [
        field
        for field in type(parsed.value).__slots__
        if isinstance(getattr(parsed.value, field), dns.name.Name)
    ]
    assert sorted(held) == sorted(rtype.names)


@pytest.mark.parametrize("rtype", ALL, ids=lambda rtype: rtype.name)
def test_a_row_says_why_it_is_there(rtype: RecordType) -> None:
    assert rtype.reason and rtype.expected
    assert rtype.reference.startswith("RFC ")


def test_flags() -> None:
    def having(flag: str) -> list[str]:
        return [rtype.name for rtype in ALL if getattr(rtype, flag)]

    assert having("exclusive") == having("singleton") == ["CNAME"]
    assert [rtype.name for rtype in ALL if not rtype.at_apex] == ["CNAME"]
    assert [rtype.name for rtype in ALL if not rtype.wildcard] == ["NS"]
    assert having("hosts") == ["MX", "NS", "SRV"]
    assert having("at_delegation") == ["NS"]
    assert having("domains") == ["CNAME", "PTR"]
    assert having("null_target") == ["MX", "SRV"]
    assert having("strings") == ["TXT"]
    assert having("host_owner") == ["A", "AAAA", "MX"]


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


@pytest.mark.parametrize("text", ["", "TYPE1", "HINFO", "A ", "ſrv", "X" * 100])
def test_lookup_names_the_supported_types(text: str) -> None:
    with pytest.raises(record_types.UnsupportedType) as caught:
        record_types.lookup(text)
    assert caught.value.detail.endswith(
        "supported are A, AAAA, CAA, CNAME, MX, NS, PTR, SRV, TXT."
    )
    assert len(caught.value.detail) <= 120


LP = RecordType(
    name="LP",
    number=107,
    reason="a pointer to the locators of a site",
    reference="RFC 6742 section 2.4",
    expected="a preference and a name that ends in a dot",
    example="10 l64-subnet.example.test.",
    below_apex=False,
    domains=("fqdn",),
)


def test_a_type_is_a_row(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(record_types, "RECORD_TYPES", {**RECORD_TYPES, "LP": LP})
    parsed = rdata.parse("lp", "5 Site.Example.test.", zone="example.test.")
    assert (parsed.text, parsed.names) == (
        "5 site.example.test.",
        ("site.example.test.",),
    )
    # RFC 4034 leaves the case of such a type alone; ours is lower all the same.
    answered = dns.rdata.from_text("IN", "LP", "5 Site.Example.test.")
    assert rdata.from_dnspython(answered) == parsed
    with pytest.raises(NameNotAbsolute):
        rdata.parse("LP", "5 site", zone="example.test.")
    context = validation.Context("example.test.")
    (finding,) = validation.check_node(context, "a.example.test.", ["LP"], [])
    assert (finding.code, finding.status) == ("lp_below_apex", 400)
    assert validation.check_node(context, "example.test.", ["LP"], []) == []
