"""The rules about services, keys and digests, one line a case."""

from __future__ import annotations

from dataclasses import replace

import dns.dnssec
import dns.rdata
import pytest
from dns.dnssectypes import DSDigest
from dns.rdtypes.ANY.DNSKEY import DNSKEY

from dns_records import validation
from dns_records.models import Zone
from dns_records.rdata import InvalidRdata
from dns_records.tests.findings import CONTEXT, WWW, ZONE, brief, expected, parsed
from dns_records.tests.test_neighbours import accepted, outcome
from dns_records.tests.world import draft

SHA1, SHA256, SHA384, SHA512 = "aa" * 20, "aa" * 32, "aa" * 48, "aa" * 64
HASH = "ab" * 28
DANE = ["dane-values warning dane_values"]
OWNER = ["mailbox-owner warning mailbox_owner"]
TLSA_OWNER = ["tlsa-owner warning tlsa_owner"]
CAA = ["caa-value warning caa_value"]
PRIVATE = "private-algorithm {} private_algorithm"
BAD_NAPTR = "naptr-regexp error naptr_regexp"
TLSA_AT = "_443._tcp.www.example.test."

RECORDS: list[tuple[str, str, str, list[str]]] = [
    # RFC 8552: who asks for these types asks at a name with underscores.
    ("_http._tcp.example.test.", "URI", '1 1 "https://a.test/"', []),
    ("*._tcp.example.test.", "URI", '1 1 "https://a.test/"', []),
    (WWW, "URI", '1 1 "https://a.test/"', ["uri-owner warning uri_owner"]),
    (TLSA_AT, "TLSA", f"3 1 1 {SHA256}", []),
    ("*._tcp.example.test.", "TLSA", f"3 1 1 {SHA256}", []),
    ("_443._quic.example.test.", "TLSA", f"3 1 1 {SHA256}", TLSA_OWNER),
    ("_https._tcp.example.test.", "TLSA", f"3 1 1 {SHA256}", TLSA_OWNER),
    ("_0443._tcp.example.test.", "TLSA", f"3 1 1 {SHA256}", TLSA_OWNER),
    (WWW, "TLSA", f"3 1 1 {SHA256}", TLSA_OWNER),
    (f"{HASH}._openpgpkey.example.test.", "OPENPGPKEY", "mDME", []),
    (f"{HASH}._smimecert.example.test.", "OPENPGPKEY", "mDME", OWNER),
    ("user._openpgpkey.example.test.", "OPENPGPKEY", "mDME", OWNER),
    (f"{HASH}._smimecert.example.test.", "SMIMEA", "3 0 0 aabb", []),
    (f"{HASH}ab._smimecert.example.test.", "SMIMEA", "3 0 0 aabb", OWNER),
    # TLSA and SMIMEA, RFC 6698 section 2.1.
    (TLSA_AT, "TLSA", f"0 0 2 {SHA512}", []),
    (TLSA_AT, "TLSA", "255 255 255 aa", []),
    (TLSA_AT, "TLSA", f"4 1 1 {SHA256}", DANE),
    (TLSA_AT, "TLSA", f"3 2 1 {SHA256}", DANE),
    (TLSA_AT, "TLSA", "3 1 3 aa", DANE),
    (WWW, "SSHFP", f"4 2 {SHA256}", []),
    (WWW, "SSHFP", f"6 1 {SHA1}", []),
    (WWW, "SSHFP", f"5 2 {SHA256}", ["ssh-values warning ssh_values"]),
    (WWW, "SSHFP", "1 3 aa", ["ssh-values warning ssh_values"]),
    # DS and keys, RFC 4034, RFC 8078, RFC 8624.
    (WWW, "DS", f"1 13 2 {SHA256}", []),
    (WWW, "DS", f"1 13 4 {SHA384}", []),
    (WWW, "CERT", "1 0 0 AQID", []),
    (WWW, "CERT", "0 0 0 AQID", ["cert-type error cert_type_reserved"]),
    (WWW, "CERT", "255 0 0 AQID", ["cert-type error cert_type_reserved"]),
    (WWW, "CERT", "65535 0 0 AQID", ["cert-type error cert_type_reserved"]),
    (WWW, "DS", f"1 13 1 {SHA1}", ["digest-type warning digest_type"]),
    (WWW, "DS", f"1 13 3 {SHA256}", ["digest-type warning digest_type"]),
    (ZONE, "CDS", f"1 13 2 {SHA256}", []),
    (ZONE, "CDS", "0 0 0 00", []),
    (WWW, "DS", f"1 0 2 {SHA256}", ["delete-form error algorithm_reserved"]),
    (ZONE, "CDS", f"0 0 2 {SHA256}", ["delete-form error algorithm_reserved"]),
    (ZONE, "CDS", "1 13 0 00", ["digest-type warning digest_type"]),
    (ZONE, "CDNSKEY", "0 3 0 AA==", []),
    (ZONE, "CDNSKEY", "257 3 0 AA==", ["delete-form error algorithm_reserved"]),
    (ZONE, "DNSKEY", "257 3 15 AQ==", []),
    (ZONE, "DNSKEY", "1 3 15 AQ==", ["key-flags warning key_flags"]),
    # RFC 4034 A.1.1: alg.example., an object identifier.
    (ZONE, "DNSKEY", "256 3 253 A2FsZwdleGFtcGxlAGtleQ==", []),
    (ZONE, "CDNSKEY", "256 3 253 A2FsZwdleGFtcGxlAGtleQ==", []),
    (
        ZONE,
        "DNSKEY",
        "256 3 253 QUFBQUFBQUFBQUFBQUFBQUFBQUE=",
        [PRIVATE.format("error")],
    ),
    (ZONE, "DNSKEY", "256 3 254 CAYGKwYBBAECa2V5", []),
    (
        ZONE,
        "CDNSKEY",
        "256 3 254 QUFBQUFBQUFBQUFBQUFBQUFBQUE=",
        [PRIVATE.format("warning")],
    ),
    (ZONE, "DNSKEY", "256 3 254 AA==", [PRIVATE.format("warning")]),
    (WWW, "DS", f"1 253 2 {SHA256}", []),
    # NAPTR, RFC 3403 section 4.1.
    (WWW, "NAPTR", '1 1 "U" "E2U+sip" "!^.*$!sip:a@b.test!" .', []),
    (WWW, "NAPTR", '1 1 "" "" "" a.test.', []),
    (WWW, "NAPTR", '1 1 "u" "" "/[[:digit:]]/b/" .', []),
    (WWW, "NAPTR", '1 1 "u" "" "/a{99999999999}/b/" .', [BAD_NAPTR]),
    (WWW, "NAPTR", '1 1 "x" "a" "" a.test.', ["naptr-flags warning naptr_flags"]),
    (WWW, "NAPTR", '1 1 "su" "a" "" a.test.', ["naptr-flags warning naptr_flags"]),
    # SVCB and HTTPS, RFC 9460; AliasMode is made for the apex.
    (ZONE, "HTTPS", "0 pool.a.test.", []),
    (WWW, "HTTPS", "0 .", []),
    (WWW, "HTTPS", "1 www.example.test. alpn=h2", []),
    (WWW, "HTTPS", "0 www.example.test.", ["svcb-loop error target_is_owner"]),
    (WWW, "SVCB", "0 _a.b.test.", []),
    # CAA, RFC 8659 sections 4.2 to 4.4.
    (ZONE, "CAA", '0 issue ";"', []),
    (ZONE, "CAA", '0 issue "ca.test; account=1; policy=ev"', []),
    (ZONE, "CAA", '0 issuewild " ca-1.test "', []),
    (ZONE, "CAA", '0 issuemail ""', []),
    (ZONE, "CAA", '0 issue "ca.test account=1"', CAA),
    (ZONE, "CAA", '0 issue "ca.test; account"', CAA),
    (ZONE, "CAA", '0 issue "https://ca.test"', CAA),
    (ZONE, "CAA", '0 issuewild "*.ca.test"', CAA),
    (ZONE, "CAA", '0 iodef "mailto:a@example.test"', []),
    (ZONE, "CAA", '0 iodef "https://example.test/caa"', []),
    (ZONE, "CAA", '0 iodef "a@example.test"', CAA),
    (ZONE, "CAA", '0 iodef "ftp://example.test"', CAA),
]


@pytest.mark.parametrize(("name", "rtype", "text", "lines"), RECORDS)
def test_records(name: str, rtype: str, text: str, lines: list[str]) -> None:
    (value,) = parsed(rtype, text)
    findings = validation.check_record(CONTEXT, name, rtype, value)
    assert brief(findings) == expected(*lines)


NOT_ALONE = ["delete-alone error delete_not_alone"]
MODES = ["svcb-modes warning svcb_alias_not_alone"]
TWICE = ["zonemd-once warning zonemd_repeated"]

RRSETS: list[tuple[str, str, list[str], list[str]]] = [
    (ZONE, "CDS", ["0 0 0 00"], []),
    (ZONE, "CDS", [f"1 13 2 {SHA256}", f"1 13 4 {SHA384}"], []),
    (ZONE, "CDS", ["0 0 0 00", f"1 13 2 {SHA256}"], NOT_ALONE),
    (ZONE, "CDNSKEY", ["0 3 0 AA==", "257 3 15 AQ=="], NOT_ALONE),
    (WWW, "HTTPS", ["1 . alpn=h3", "2 b.test."], []),
    (WWW, "HTTPS", ["0 a.test."], []),
    (WWW, "HTTPS", ["0 a.test.", "1 ."], MODES),
    (WWW, "SVCB", ["0 a.test.", "0 b.test."], MODES),
    (ZONE, "ZONEMD", [f"1 1 1 {SHA384}", f"1 1 2 {SHA512}"], []),
    (ZONE, "ZONEMD", [f"1 1 1 {SHA384}", f"2 1 1 {SHA384}"], TWICE),
]


@pytest.mark.parametrize(("name", "rtype", "texts", "lines"), RRSETS)
def test_rrsets(name: str, rtype: str, texts: list[str], lines: list[str]) -> None:
    findings = validation.check_rrset(CONTEXT, name, rtype, 300, parsed(rtype, *texts))
    assert brief(findings) == expected(*lines)


@pytest.mark.parametrize(
    ("rtype", "text"),
    [
        ("DS", f"1 13 1 {SHA256}"),
        ("DS", f"1 13 2 {SHA1}"),
        ("DS", f"1 13 4 {SHA256}"),
        ("CDS", "0 0 0 0000"),
        ("TLSA", f"3 1 1 {SHA512}"),
        ("TLSA", f"3 1 2 {SHA256}"),
        ("SMIMEA", f"3 1 1 {SHA1}"),
        ("SSHFP", f"4 1 {SHA256}"),
        ("SSHFP", f"4 2 {SHA1}"),
        ("ZONEMD", f"1 1 1 {SHA512}"),
        ("ZONEMD", f"1 1 2 {SHA384}"),
        ("ZONEMD", "1 2 3 aa"),
    ],
)
def test_a_digest_of_another_length_is_no_rdata(rtype: str, text: str) -> None:
    with pytest.raises(InvalidRdata):
        parsed(rtype, text)


KEY = "257 3 15 l02Woi0iS8Aa25FQkUd9RMzZHJpBoRQwAQEX1SxZJA4="


def of_key(kind: int) -> str:
    """Return the CDS of the key with a digest of this kind."""
    key = dns.rdata.from_text("IN", "DNSKEY", KEY)
    assert isinstance(key, DNSKEY)
    return dns.dnssec.make_ds(ZONE, key, DSDigest(kind)).to_text()


OTHER = ["key-in-zone warning key_not_in_zone"]
KEYS: list[tuple[str, str, list[str]]] = [
    ("CDNSKEY", KEY, []),
    ("CDNSKEY", KEY.replace("257", "256"), OTHER),
    ("CDS", of_key(2), []),
    ("CDS", of_key(4), []),
    ("CDS", of_key(2)[:-2] + "00", OTHER),
    ("CDS", "1" + of_key(2), OTHER),
    # Nobody here can tell: it has the tag and algorithm of the key.
    ("CDS", of_key(2).replace(" 15 2 ", " 15 5 "), ["digest-type warning digest_type"]),
    ("CDS", "0 0 0 00", []),
    ("CDNSKEY", "0 3 0 AA==", []),
    ("DNSKEY", KEY, []),
]


@pytest.mark.parametrize(("rtype", "text", "lines"), KEYS)
def test_keys_are_of_the_zone(rtype: str, text: str, lines: list[str]) -> None:
    (rdata,) = parsed(rtype, text)
    knows = replace(CONTEXT, zone_keys=(KEY,))
    found = brief(validation.check_record(knows, ZONE, rtype, rdata))
    assert found == expected(*lines)


def test_without_keys_none_is_of_the_zone() -> None:
    (cds,) = parsed("CDS", of_key(2))
    none = replace(CONTEXT, zone_keys=())
    assert brief(validation.check_record(none, ZONE, "CDS", cds)) == expected(*OTHER)
    assert validation.check_record(CONTEXT, ZONE, "CDS", cds) == []


@pytest.mark.django_db
def test_the_keys_that_a_change_set_leaves_count(zone: Zone) -> None:
    key, cds = draft("put", "@", "DNSKEY", KEY), draft("put", "@", "CDS", of_key(2))
    assert outcome(cds) == accepted("key_not_in_zone")
    assert outcome(cds, key) == accepted()
    assert outcome(cds) == accepted()
    gone = draft("delete", "@", "DNSKEY")
    assert outcome(gone, cds) == accepted("key_not_in_zone")
