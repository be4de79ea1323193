"""Rdata in the forms that clients write, and its one canonical form."""

from __future__ import annotations

import hashlib
from ipaddress import IPv4Address, IPv6Address

import dns.rdata
import dns.rrset
import pytest
from dns.rdtypes.ANY.TXT import TXT
from hypothesis import given, settings
from hypothesis import strategies as st

from dns_records import names, rdata
from dns_records.record_types import RECORD_TYPES, UnsupportedType
from dnsorch.exceptions import DnsorchError, NameNotAbsolute

ZONE = "example.test."
LONG = "x" * 255

CANONICAL = [
    ("A", "192.0.2.1", "192.0.2.1", "c0000201"),
    ("a", " \t192.0.2.1 ", "192.0.2.1", "c0000201"),
    ("AAAA", "2001:DB8:0:0:0:0:0:1", "2001:db8::1", "20010db8" + "0" * 23 + "1"),
    ("AAAA", "2001:db8:0:1:1:1:1:1", "2001:db8:0:1:1:1:1:1", None),
    ("AAAA", "2001:0:0:1:0:0:0:1", "2001:0:0:1::1", None),
    ("AAAA", "::FFFF:192.0.2.1", "::ffff:192.0.2.1", None),
    ("CNAME", "WWW.Example.TEST.", "www.example.test.", None),
    ("CNAME", "bücher.test.", "xn--bcher-kva.test.", None),
    ("CNAME", "_x.Domainkey.test.", "_x.domainkey.test.", None),
    ("CNAME", r"a\.B.test.", r"a\.b.test.", "03612e620474657374" + "00"),
    ("NS", "NS1.Example.test.", "ns1.example.test.", None),
    ("PTR", "Host.Example.test.", "host.example.test.", None),
    ("MX", "010   Mail.Example.test.", "10 mail.example.test.", None),
    ("MX", "0 .", "0 .", "000000"),
    ("SRV", "1\t2 3 Sip.Example.test.", "1 2 3 sip.example.test.", None),
    ("SRV", "0 0 0 .", "0 0 0 .", "000000000000" + "00"),
    ("CAA", '0 ISSUE "CA.test; a=b"', '0 issue "CA.test; a=b"', None),
    ("CAA", "128 iodef mailto:a@b.test", '128 iodef "mailto:a@b.test"', None),
    ("CAA", '0 issue ";"', '0 issue ";"', "0005" + b"issue;".hex()),
    ("TXT", "v=spf1 -all", '"v=spf1 -all"', "0b" + b"v=spf1 -all".hex()),
    ("TXT", '"v=spf1 -all"', '"v=spf1 -all"', "0b" + b"v=spf1 -all".hex()),
    ("TXT", '"a" "b c"', '"a" "b c"', "0161" + "03622063"),
    ("TXT", '"a""b"', '"a" "b"', "01610162"),
    ("TXT", '""', '""', "00"),
    ("TXT", "v=DKIM1; k=rsa; (x)", '"v=DKIM1; k=rsa; (x)"', None),
    ("TXT", r"v=DKIM1\; k=rsa", '"v=DKIM1; k=rsa"', None),
    ("TXT", r"say \"hi\" \\", r'"say \"hi\" \\"', None),
    ("TXT", '"(;)"', '"(;)"', None),
    ("TXT", "ü", r'"\195\188"', "02c3bc"),
    ("TXT", r"\195\188", r'"\195\188"', "02c3bc"),
    ("TXT", "a\tb", r'"a\009b"', "03610962"),
    ("TXT", r"a\000b", r'"a\000b"', "03610062"),
    ("TXT", "www.example.test", '"www.example.test"', None),
    ("TXT", LONG, f'"{LONG}"', None),
    ("TXT", LONG + "y", f'"{LONG}" "y"', None),
    ("TXT", f'"{LONG}y" "z"', f'"{LONG}" "y" "z"', None),
    ("TXT", "x" * 1000, '"{0}" "{0}" "{0}" "{1}"'.format(LONG, "x" * 235), None),
]


@pytest.mark.parametrize(("rtype", "text", "expected", "wire"), CANONICAL)
def test_parse_gives_the_canonical_form(
    rtype: str, text: str, expected: str, wire: str | None
) -> None:
    parsed = rdata.parse(rtype, text, zone=ZONE)
    assert parsed.type == rtype.upper()
    assert parsed.text == expected
    if wire is not None:
        assert parsed.wire.hex() == wire
    assert parsed.wire_length == len(parsed.wire)
    assert rdata.parse(parsed.type, parsed.text, zone=ZONE) == parsed


INVALID = [
    ("A", "", "The value is empty."),
    ("A", "  ", "The value is empty."),
    ("A", "192.0.2", ""),
    ("A", "192.0.2.256", ""),
    ("A", "192.0.2.01", ""),
    ("A", "0xc0000201", ""),
    ("A", "١٩٢.0.2.1", ""),
    ("A", "2001:db8::1", ""),
    ("A", '"192.0.2.1"', ""),
    ("A", "192.0.2.1 192.0.2.2", ""),
    ("A", "192.0.2.1 ; main", "';' starts a comment unless it is quoted."),
    ("A", "(192.0.2.1)", "Parentheses are taken only inside quotes."),
    ("A", "192.0.2.1\n$INCLUDE /etc/passwd", "a control character"),
    ("A", "192.0.2.1\r", "a control character"),
    ("A", "$INCLUDE x", ""),
    ("A", r"\# 4 c0000201", "The generic form of RFC 3597 is not taken."),
    ("A", "\ud800", "half of a surrogate pair"),
    ("AAAA", "192.0.2.1", ""),
    ("AAAA", "fe80::1%eth0", ""),
    ("AAAA", "2001:db8::1::", ""),
    ("CNAME", "a. b.", ""),
    ("CNAME", '"www.example.test."', ""),
    ("CNAME", "a..b.", "empty label"),
    ("CNAME", "a" * 64 + ".", "label longer than 63 octets"),
    ("CNAME", "☃.test.", "IDNA 2008"),
    ("CNAME", r"a\007.test.", "contains a control character"),
    ("CNAME", "$ORIGIN.", r"written \$"),
    ("MX", "mail.example.test.", ""),
    ("MX", "65536 mail.example.test.", ""),
    ("MX", "-1 mail.example.test.", ""),
    ("MX", "10 mail.example.test. extra", ""),
    ("SRV", "1 2 65536 sip.example.test.", ""),
    ("SRV", "1 2 sip.example.test.", ""),
    ("CAA", '256 issue "a"', ""),
    ("CAA", '0 is-sue "a"', ""),
    ("CAA", '0 "" "a"', ""),
    ("CAA", "0 issue ca.test; a=b", "';' starts a comment unless it is quoted."),
    ("TXT", '"open', ""),
    ("TXT", "open\\", ""),
    ("TXT", r"\256", ""),
    ("TXT", r"a\1", ""),
    ("TXT", 'a"b', r"Inside a bare text a quote is written \"."),
    ("TXT", '"a" b', "Either all of the strings are quoted or none."),
    ("TXT", '"a" ; comment', "';' starts a comment unless it is quoted."),
    ("TXT", "a\nb", r"a control character, in a string written \010."),
    ("TXT", "\ud800", "half of a surrogate pair"),
    ("TXT", r"\# 1 61", "The generic form of RFC 3597 is not taken."),
]


@pytest.mark.parametrize(("rtype", "text", "why"), INVALID)
def test_parse_says_what_was_expected(rtype: str, text: str, why: str) -> None:
    with pytest.raises(rdata.InvalidRdata) as caught:
        rdata.parse(rtype, text, zone=ZONE)
    row = RECORD_TYPES[rtype]
    assert caught.value.code == "invalid_rdata"
    assert caught.value.status == 400
    assert f"is not a value of type {rtype}: expected {row.expected}, for example" in (
        caught.value.detail
    )
    assert names.quoted(row.example) in caught.value.detail
    assert why in caught.value.detail


def test_parse_refuses_what_is_longer_than_rdata_can_be() -> None:
    with pytest.raises(rdata.InvalidRdata, match="at most 65535 fit"):
        rdata.parse("TXT", "x" * 65_500, zone=ZONE)
    with pytest.raises(rdata.InvalidRdata, match="at most 65535 octets"):
        rdata.parse("TXT", "x" * 300_000, zone=ZONE)


def test_rdata_that_does_not_survive_its_wire_form_is_refused(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    value = rdata.parse("A", "192.0.2.1", zone=ZONE).value
    other = rdata.parse("A", "192.0.2.2", zone=ZONE).value
    monkeypatch.setattr(rdata, "_from_wire", lambda rtype, wire: other)
    with pytest.raises(rdata.InvalidRdata, match="does not come back the same"):
        rdata.from_dnspython(value)


@pytest.mark.parametrize(
    ("rtype", "text", "advice"),
    [
        ("CNAME", "www", "write 'www.example.test.' for the name in this zone"),
        ("CNAME", "@", "'@' is not taken inside a value: write 'example.test.'."),
        ("CNAME", "www.example.test", "dot: write 'www.example.test.'."),
        ("NS", "Example.TEST", "dot: write 'Example.TEST.'."),
        ("MX", "10 mail.other.org", "write 'mail.other.org.', or"),
        ("MX", "10 @", "'@' is not taken inside a value: write 'example.test.'."),
        ("SRV", "1 2 3 sip", "write 'sip.example.test.'"),
        ("PTR", "a.*.b", "write 'a.*.b.', or"),
    ],
)
def test_a_relative_name_is_refused_with_advice(
    rtype: str, text: str, advice: str
) -> None:
    with pytest.raises(NameNotAbsolute) as caught:
        rdata.parse(rtype, text, zone=ZONE)
    assert caught.value.code == "name_not_absolute"
    assert advice in caught.value.detail


def test_the_advice_names_the_zone_of_each_call() -> None:
    for zone in (ZONE, "other.test."):
        with pytest.raises(NameNotAbsolute, match=f"'www.{zone}'"):
            rdata.parse("CNAME", "www", zone=zone)


def test_parse_refuses_an_unsupported_type() -> None:
    with pytest.raises(UnsupportedType):
        rdata.parse("SOA", "a. b. 1 2 3 4 5", zone=ZONE)


def test_digest_is_of_type_number_and_wire() -> None:
    parsed = rdata.parse("MX", "10 MAIL.test.", zone=ZONE)
    wire = bytes.fromhex("000a") + b"\x04mail\x04test\x00"
    assert parsed.wire == wire
    assert parsed.digest == hashlib.sha256(b"\x00\x0f" + wire).hexdigest()
    cname = rdata.parse("CNAME", "www.test.", zone=ZONE)
    ptr = rdata.parse("PTR", "www.test.", zone=ZONE)
    assert cname.wire == ptr.wire and cname.digest != ptr.digest


def test_names_inside() -> None:
    assert rdata.parse("MX", "5 Mail.test.", zone=ZONE).names == ("mail.test.",)
    assert rdata.parse("PTR", "Host.test.", zone=ZONE).names == ("host.test.",)
    assert rdata.parse("TXT", "host.test.", zone=ZONE).names == ()


@pytest.mark.parametrize(
    ("rtype", "answered", "expected"),
    [
        ("MX", "10 MAIL.Example.test.", "10 mail.example.test."),
        ("CAA", '0 Issue "ca.test"', '0 issue "ca.test"'),
        ("SRV", "1 2 3 SIP.test.", "1 2 3 sip.test."),
        ("TXT", '"a" "b"', '"a" "b"'),
        ("AAAA", "2001:DB8::1", "2001:db8::1"),
    ],
)
def test_an_answer_has_the_same_canonical_form(
    rtype: str, answered: str, expected: str
) -> None:
    (value,) = dns.rrset.from_text(ZONE, 60, "IN", rtype, answered)
    assert rdata.from_dnspython(value) == rdata.parse(rtype, answered, zone=ZONE)
    assert rdata.from_dnspython(value).text == expected


def test_an_answer_of_another_type_is_refused() -> None:
    (value,) = dns.rrset.from_text(ZONE, 60, "IN", "RT", "1 a.")
    with pytest.raises(UnsupportedType):
        rdata.from_dnspython(value)


ANY_TYPE = st.sampled_from(sorted(RECORD_TYPES))
ANY_VALUE = st.one_of(
    st.text(max_size=60),
    st.text(alphabet='aZ0 .:\\"();@$*_ü\t', max_size=30),
    st.from_regex(r"([0-9]{1,5} ){0,3}([a-zA-Z0-9_-]{1,9}\.){1,4}", fullmatch=True),
)


@settings(deadline=None)
@given(ANY_TYPE, ANY_VALUE)
def test_canonical_form_is_idempotent_and_survives_the_wire(
    rtype: str, text: str
) -> None:
    try:
        parsed = rdata.parse(rtype, text, zone=ZONE)
    except DnsorchError as exc:
        assert exc.status == 400
        return
    assert rdata.parse(rtype, parsed.text, zone="other.test.") == parsed
    assert rdata.from_dnspython(parsed.value) == parsed
    assert parsed.value.to_digestable() == parsed.wire
    assert parsed.text.isascii() and parsed.text.isprintable()


@settings(deadline=None)
@given(st.binary(min_size=1, max_size=600))
def test_any_octets_can_be_written_as_one_bare_text(octets: bytes) -> None:
    text = "".join(f"\\{octet:03d}" for octet in octets)
    parsed = rdata.parse("TXT", text, zone=ZONE)
    assert isinstance(parsed.value, TXT)
    strings: tuple[bytes, ...] = parsed.value.strings
    assert b"".join(strings) == octets
    assert {len(string) for string in strings[:-1]} <= {255}


@settings(deadline=None)
@given(st.ip_addresses())
def test_every_address_reads_back(address: IPv4Address | IPv6Address) -> None:
    rtype = "A" if address.version == 4 else "AAAA"
    parsed = rdata.parse(rtype, str(address), zone=ZONE)
    assert parsed.wire == address.packed
