"""The rules about records, RRsets and names, one line a case."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest

from dns_records import validation
from dns_records.record_types import UnsupportedType
from dns_records.tests import (
    test_validation_mail,
    test_validation_neighbours,
    test_validation_services,
)
from dns_records.tests.findings import CONTEXT, WWW, ZONE, brief, expected, parsed
from dns_records.validation import Context, Finding
from dns_records.validation.addresses import unreachable

RECORDS = [
    (WWW, "A", "192.0.2.1", []),
    (WWW, "A", "10.0.0.1", []),
    (ZONE, "A", "192.0.2.1", []),
    ("*.example.test.", "A", "192.0.2.1", []),
    ("_x.example.test.", "A", "192.0.2.1", ["owner-host warning owner_not_host"]),
    (
        "*._x.example.test.",
        "AAAA",
        "2001:db8::1",
        ["owner-host warning owner_not_host"],
    ),
    ("_x.example.test.", "MX", "1 a.test.", ["owner-host warning owner_not_host"]),
    ("_x.example.test.", "TXT", "x", []),
    ("xn--n3h.example.test.", "TXT", "x", ["a-label warning bad_a_label"]),
    ("xn--bcher-kva.example.test.", "A", "192.0.2.1", []),
    (WWW, "A", "127.0.0.1", ["address-scope warning address_scope"]),
    (WWW, "HTTPS", "1 . ipv4hint=192.0.2.1 ipv6hint=fd00::1", []),
    (WWW, "HTTPS", "1 . ipv6hint=::1", ["address-scope warning address_scope"]),
    (
        "_x.example.test.",
        "SSHFP",
        f"4 2 {'aa' * 32}",
        ["owner-host warning owner_not_host"],
    ),
    (WWW, "AAAA", "::1", ["address-scope warning address_scope"]),
    (ZONE, "NS", "ns1.example.test.", []),
    (ZONE, "NS", "ns_1.example.test.", ["host-target error target_not_host"]),
    (ZONE, "NS", ".", ["host-target error target_not_host"]),
    (ZONE, "NS", "-ns.example.test.", ["host-target error target_not_host"]),
    (ZONE, "NS", "192.0.2.1.", ["target-address warning target_is_address"]),
    (ZONE, "MX", "10 mail.example.test.", []),
    (ZONE, "MX", "10 example.test.", []),
    (ZONE, "MX", "10 *.example.test.", ["host-target error target_not_host"]),
    (ZONE, "MX", "0 .", []),
    (ZONE, "MX", "10 .", ["null-mx-preference error null_mx_preference"]),
    (ZONE, "MX", "10 192.0.2.1.", ["target-address warning target_is_address"]),
    ("_sip._tcp.example.test.", "SRV", "1 2 5060 sip.example.test.", []),
    ("*._tcp.example.test.", "SRV", "0 0 0 .", ["srv-owner warning srv_owner"]),
    ("_sip._tcp.example.test.", "SRV", "0 0 0 .", []),
    (
        "_sip._tcp.example.test.",
        "SRV",
        "1 2 3 a_b.test.",
        ["host-target error target_not_host"],
    ),
    (WWW, "SRV", "1 2 5060 sip.example.test.", ["srv-owner warning srv_owner"]),
    (WWW, "CNAME", "web.example.test.", []),
    (WWW, "CNAME", "_x.example.test.", []),
    (WWW, "CNAME", "WWW.example.test.", ["alias-loop error target_is_owner"]),
    (WWW, "CNAME", "192.0.2.1.", ["target-address warning target_is_address"]),
    (WWW, "SPF", "v=spf1 -all", ["obsolete-type warning obsolete_type"]),
    (WWW, "RP", r"first\.last.example.test. .", []),
    (WWW, "RP", ". .", []),
    (WWW, "RP", "admin.exa_mple.test. .", ["mailbox error not_a_mailbox"]),
    (WWW, "RP", r"a\032b.example.test. .", ["mailbox error not_a_mailbox"]),
    (ZONE, "DNSKEY", "256 3 15 AQ==", []),
    (ZONE, "DNSKEY", "256 2 15 AQ==", ["dnskey-protocol error dnskey_protocol"]),
    (ZONE, "CDNSKEY", "257 4 15 AQ==", ["dnskey-protocol error dnskey_protocol"]),
    (ZONE, "CSYNC", "1 3 A", []),
    (ZONE, "CSYNC", "1 4 A", ["csync-flags error csync_flags"]),
    (WWW, "SVCB", "0 _x.example.test.", []),
    (WWW, "HTTPS", "1 a_b.test.", ["service-target error target_not_host"]),
    (WWW, "NAPTR", '1 1 "s" "SIP+D2U" "" _sip._udp.test.', []),
    (WWW, "NAPTR", '1 1 "u" "x" "!^(a+)$!b\\\\1!i" .', []),
    (WWW, "NAPTR", '1 1 "u" "x" "!a!b" .', ["naptr-regexp error naptr_regexp"]),
    (WWW, "NAPTR", '1 1 "u" "x" "!!b!" .', ["naptr-regexp error naptr_regexp"]),
    (WWW, "NAPTR", '1 1 "u" "x" "!(!b!" .', ["naptr-regexp error naptr_regexp"]),
    (WWW, "NAPTR", '1 1 "u" "x" "!a!b!x" .', ["naptr-regexp error naptr_regexp"]),
    (WWW, "NAPTR", '1 1 "u" "x" "iaibi" .', ["naptr-regexp error naptr_regexp"]),
    (WWW, "NAPTR", r'1 1 "u" "x" "!a!\\1!" .', ["naptr-regexp error naptr_regexp"]),
    (WWW, "NAPTR", '1 1 "u" "x" "!a!b!" a.', ["naptr-either error naptr_either"]),
    (WWW, "PTR", "www.example.test.", []),
    ("_ipp._tcp.example.test.", "PTR", r"a\032b._ipp._tcp.example.test.", []),
    ("1.2.0.192.in-addr.arpa.", "PTR", "www.example.test.", []),
    (
        "1.2.0.192.in-addr.arpa.",
        "PTR",
        "a_b.example.test.",
        ["reverse-target warning target_not_host"],
    ),
    ("1.ip6.arpa.", "PTR", ".", ["reverse-target warning target_not_host"]),
    (ZONE, "CAA", '0 issue "ca.test"', []),
    (ZONE, "CAA", '128 IssueMail "ca.test"', []),
    (ZONE, "CAA", '0 isue "ca.test"', ["caa-tag warning caa_tag"]),
    (ZONE, "CAA", '1 issue "ca.test"', ["caa-flags warning caa_flags"]),
]


@pytest.mark.parametrize(("name", "rtype", "text", "lines"), RECORDS)
def test_check_record(name: str, rtype: str, text: str, lines: list[str]) -> None:
    (value,) = parsed(rtype, text)
    findings = validation.check_record(CONTEXT, name, rtype, value)
    assert brief(findings) == expected(*lines)


def addresses(count: int) -> list[str]:
    return [f"10.0.{number // 256}.{number % 256}" for number in range(count)]


# Each is 16 strings, so 18 + 10 + 3844 octets with its owner name.
BIG = ["x" * 255 * 15 + f"{number:03d}" for number in range(15)]

RRSETS: list[tuple[str, str, int, list[str], list[str]]] = [
    (WWW, "A", 300, ["192.0.2.1"], []),
    (WWW, "A", 0, ["192.0.2.1"], []),
    (WWW, "A", 2**31 - 1, ["192.0.2.1"], []),
    (WWW, "A", -1, ["192.0.2.1"], ["ttl-range error ttl_out_of_range"]),
    (WWW, "A", 2**31, ["192.0.2.1"], ["ttl-range error ttl_out_of_range"]),
    (WWW, "A", -1, [], []),
    (WWW, "A", 300, addresses(100), []),
    (WWW, "A", 300, addresses(101), ["record-count error too_many_records"]),
    (WWW, "TXT", 300, ["x" * 1394], []),
    (WWW, "TXT", 300, ["x" * 1395], ["txt-total warning txt_total"]),
    (WWW, "SPF", 300, BIG, []),
    (WWW, "SPF", 300, BIG + ["x" * 2500], ["rrset-size error rrset_too_large"]),
    (WWW, "CNAME", 300, ["a.test."], []),
    (WWW, "CNAME", 300, ["a.test.", "b.test."], ["singleton error singleton_rrset"]),
    (
        WWW,
        "A",
        300,
        ["192.0.2.1", "192.0.2.2", "192.0.2.1"],
        ["duplicate-record error duplicate_record"],
    ),
    (
        WWW,
        "TXT",
        300,
        ["a b", '"a b"'],
        ["duplicate-record error duplicate_record"],
    ),
    (ZONE, "MX", 300, ["0 ."], []),
    (ZONE, "MX", 300, ["10 a.test.", "20 b.test."], []),
    (
        ZONE,
        "MX",
        300,
        ["0 .", "10 a.test."],
        ["null-target-alone error null_mx_not_alone"],
    ),
    (
        "_a._tcp.example.test.",
        "SRV",
        300,
        ["0 0 0 .", "1 2 3 a.test."],
        ["null-target-alone error null_srv_not_alone"],
    ),
    (ZONE, "NS", 300, ["a.test."], ["two-name-servers warning one_name_server"]),
    (ZONE, "NS", 300, ["a.test.", "b.test."], []),
    (ZONE, "TXT", 300, ["v=spf1 -all", "v=spf10", "x"], []),
    (
        ZONE,
        "TXT",
        300,
        ["v=spf1 -all", "V=SPF1 mx -all"],
        ["one-spf warning several_spf"],
    ),
]


@pytest.mark.parametrize(("name", "rtype", "ttl", "texts", "lines"), RRSETS)
def test_check_rrset(
    name: str, rtype: str, ttl: int, texts: list[str], lines: list[str]
) -> None:
    findings = validation.check_rrset(CONTEXT, name, rtype, ttl, parsed(rtype, *texts))
    assert brief(findings) == expected(*lines)


@pytest.mark.parametrize(
    ("context", "ttl", "count", "codes"),
    [
        (Context(ZONE, min_ttl=60), 60, 1, []),
        (Context(ZONE, min_ttl=60), 59, 1, ["ttl_out_of_range"]),
        (Context(ZONE, max_ttl=86400), 86400, 1, []),
        (Context(ZONE, max_ttl=86400), 86401, 1, ["ttl_out_of_range"]),
        (Context(ZONE, max_ttl=2**40), 2**31, 1, ["ttl_out_of_range"]),
        (Context(ZONE, max_records=2), 60, 2, []),
        (Context(ZONE, max_records=2), 60, 3, ["too_many_records"]),
        # 18 octets of the name, 10 fixed ones and 4 of the address, twice.
        (Context(ZONE, max_octets=64), 60, 2, []),
        (Context(ZONE, max_octets=63), 60, 2, ["rrset_too_large"]),
    ],
)
def test_the_context_sets_the_limits(
    context: Context, ttl: int, count: int, codes: list[str]
) -> None:
    values = parsed("A", *addresses(count))
    findings = validation.check_rrset(context, WWW, "A", ttl, values)
    assert [finding.code for finding in findings] == codes


NODES = [
    (WWW, "A AAAA TXT", "", []),
    (WWW, "CNAME", "A", []),
    (WWW, "", "CNAME", []),
    (WWW, "A CNAME", "A", ["cname-exclusive error cname_conflict 409"]),
    (WWW, "CNAME TXT MX", "CNAME", ["cname-exclusive error cname_conflict 409"]),
    (ZONE, "CNAME", "", ["apex-types error cname_at_apex"]),
    (
        ZONE,
        "CNAME NS",
        "NS",
        [
            "apex-types error cname_at_apex",
            "cname-exclusive error cname_conflict 409",
        ],
    ),
    (ZONE, "NS A", "NS", []),
    (ZONE, "A", "A NS", ["apex-ns error apex_ns_required"]),
    (ZONE, "A", "A", []),
    (WWW, "A", "A NS", []),
    (WWW, "NS", "", []),
    (WWW, "NS A", "NS", ["delegation warning hidden_by_delegation"]),
    ("*.example.test.", "NS", "", ["wildcard-types error type_at_wildcard"]),
    ("*.example.test.", "CNAME", "", []),
    (WWW, "DNAME", "", []),
    (ZONE, "DNAME NS", "NS", []),
    (WWW, "CNAME DNAME", "", ["cname-exclusive error cname_conflict 409"]),
    (WWW, "DNAME NS", "", ["delegation warning hidden_by_delegation"]),
    ("*.example.test.", "DNAME", "", ["wildcard-types error type_at_wildcard"]),
    (WWW, "DS NS", "", []),
    (WWW, "DS", "", ["ds-beside-ns error ds_without_ns 409"]),
    (WWW, "DS", "DS NS", ["ds-beside-ns error ds_without_ns 409"]),
    (ZONE, "DS NS", "NS", ["apex-types error ds_at_apex"]),
    ("_x.a\\032b:/@\\\\.example.test.", "TXT", "", []),
    (r"a\+b.example.test.", "", "TXT", []),
    ("a+b.example.test.", "TXT", "", ["served-name warning name_not_served"]),
    (r"\195\188.example.test.", "TXT", "", ["served-name warning name_not_served"]),
]


@pytest.mark.parametrize(("name", "types", "before", "lines"), NODES)
def test_check_node(name: str, types: str, before: str, lines: list[str]) -> None:
    findings = validation.check_node(CONTEXT, name, types.split(), before.split())
    assert brief(findings) == expected(*lines)


def test_a_finding_is_a_sentence_with_its_source() -> None:
    (finding,) = validation.check_node(CONTEXT, WWW, {"CNAME", "TXT"}, set())
    assert finding == Finding(
        validator="cname-exclusive",
        level="error",
        code="cname_conflict",
        detail="www.example.test. would have CNAME beside TXT; CNAME excludes every"
        " other type.",
        reference="RFC 1034 section 3.6.2",
        status=409,
    )
    assert finding.is_error


def test_unsupported_types_are_refused_by_each_entry_point() -> None:
    (value,) = parsed("A", "192.0.2.1")
    calls: list[Callable[[], list[Finding]]] = [
        lambda: validation.check_record(CONTEXT, WWW, "SOA", value),
        lambda: validation.check_rrset(CONTEXT, WWW, "SOA", 60, [value]),
        lambda: validation.check_node(CONTEXT, WWW, ["SOA"], []),
    ]
    for call in calls:
        with pytest.raises(UnsupportedType):
            call()


VALIDATORS = [
    ("record", "owner-host"),
    ("record", "a-label"),
    ("record", "host-target"),
    ("record", "reverse-target"),
    ("record", "target-address"),
    ("record", "alias-loop"),
    ("record", "null-mx-preference"),
    ("record", "srv-owner"),
    ("record", "address-scope"),
    ("record", "caa-tag"),
    ("record", "caa-flags"),
    ("record", "obsolete-type"),
    ("record", "mailbox"),
    ("record", "dnskey-protocol"),
    ("record", "csync-flags"),
    ("record", "service-target"),
    ("record", "naptr-regexp"),
    ("record", "naptr-either"),
    ("record", "uri-owner"),
    ("record", "tlsa-owner"),
    ("record", "mailbox-owner"),
    ("record", "naptr-flags"),
    ("record", "svcb-loop"),
    ("record", "caa-value"),
    ("record", "key-flags"),
    ("record", "delete-form"),
    ("record", "private-algorithm"),
    ("record", "key-in-zone"),
    ("record", "digest-type"),
    ("record", "cert-type"),
    ("record", "dane-values"),
    ("record", "ssh-values"),
    ("record", "spf-syntax"),
    ("record", "spf-lookups"),
    ("record", "dmarc-syntax"),
    ("record", "dkim-syntax"),
    ("record", "target-alias"),
    ("record", "target-exists"),
    ("record", "glue"),
    ("rrset", "ttl-range"),
    ("rrset", "record-count"),
    ("rrset", "rrset-size"),
    ("rrset", "singleton"),
    ("rrset", "duplicate-record"),
    ("rrset", "null-target-alone"),
    ("rrset", "two-name-servers"),
    ("rrset", "txt-total"),
    ("rrset", "one-spf"),
    ("rrset", "svcb-modes"),
    ("rrset", "delete-alone"),
    ("rrset", "zonemd-once"),
    ("node", "apex-types"),
    ("node", "cname-exclusive"),
    ("node", "apex-ns"),
    ("node", "wildcard-types"),
    ("node", "delegation"),
    ("node", "ds-beside-ns"),
    ("node", "served-name"),
    ("node", "below-dname"),
    ("node", "dname-above-data"),
    ("node", "below-delegation"),
    ("node", "delegation-above-data"),
    ("node", "alias-pointed-to"),
    ("node", "address-pointed-to"),
    ("node", "glue-pointed-to"),
]


def test_validators_are_listed_for_the_documentation() -> None:
    listed = validation.validators()
    assert [(each.family, each.id) for each in listed] == VALIDATORS
    assert all(
        re.fullmatch(r"(RFC \d+|BIND|PowerDNS).*", each.reference) for each in listed
    )
    assert all(each.sentence.endswith(".") for each in listed)


def test_every_rule_is_tried_by_a_case_above() -> None:
    cases = [case[-1] for case in RECORDS + test_validation_mail.RECORDS]
    cases += [case[-1] for case in test_validation_services.RECORDS]
    cases += [case[-1] for case in test_validation_services.RRSETS]
    cases += [case[-1] for case in test_validation_services.KEYS]
    cases += [case[-1] for case in test_validation_neighbours.CASES]
    cases += [case[-1] for case in RRSETS]
    cases += [case[-1] for case in NODES]
    tried = {line.split()[0] for lines in cases for line in lines}
    assert tried == {each.id for each in validation.validators()}


@pytest.mark.parametrize(
    ("address", "reason"),
    [
        ("0.1.2.3", "an address of 'this network' (RFC 791)"),
        ("127.255.255.254", "a loopback address (RFC 1122)"),
        ("169.254.169.254", "a link-local address (RFC 3927)"),
        ("224.0.0.1", "a multicast address (RFC 5771)"),
        ("240.0.0.1", "a reserved address (RFC 1112)"),
        ("255.255.255.255", "the broadcast address (RFC 919)"),
        ("::", "the unspecified address (RFC 4291)"),
        ("::ffff:192.0.2.1", "an IPv4-mapped address (RFC 4291)"),
        ("100::1", "an address that is discarded (RFC 6666)"),
        ("fe80::1", "a link-local address (RFC 4291)"),
        ("ff02::1", "a multicast address (RFC 4291)"),
        ("192.168.1.1", None),
        ("198.51.100.7", None),
        ("fd00::1", None),
        ("2001:db8::1", None),
    ],
)
def test_unreachable(address: str, reason: str | None) -> None:
    assert unreachable(address) == reason
