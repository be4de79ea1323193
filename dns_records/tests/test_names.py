"""Names in every form that clients write, and what they mean."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dns_records import names
from dnsorch.exceptions import DnsorchError, ReservedName

ZONE = "example.test."


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("@", "example.test."),
        ("example.test.", "example.test."),
        ("example.test", "example.test."),
        ("EXAMPLE.Test", "example.test."),
        ("www", "www.example.test."),
        ("WWW.Example.TEST.", "www.example.test."),
        ("www.example.test", "www.example.test."),
        ("a.b", "a.b.example.test."),
        ("test", "test.example.test."),
        ("notexample.test", "notexample.test.example.test."),
        ("*", "*.example.test."),
        ("*.sub", "*.sub.example.test."),
        ("_acme-challenge.www", "_acme-challenge.www.example.test."),
        ("_443._tcp", "_443._tcp.example.test."),
        ("bücher", "xn--bcher-kva.example.test."),
        ("BÜCHER.example.test.", "xn--bcher-kva.example.test."),
        ("faß", "xn--fa-hia.example.test."),
        ("ｗｗｗ", "www.example.test."),
        ("www。example。test。", "www.example.test."),
        ("_sip._tcp.bücher", "_sip._tcp.xn--bcher-kva.example.test."),
        ("xn--bcher-kva", "xn--bcher-kva.example.test."),
        ("XN--N3H", "xn--n3h.example.test."),
        (r"a\.b", r"a\.b.example.test."),
        (r"My\032Printer._ipp._tcp", r"my\032printer._ipp._tcp.example.test."),
        (r"My\ Printer.bücher", r"my\032printer.xn--bcher-kva.example.test."),
        (r"\119\119w", "www.example.test."),
        (r"\195\188", r"\195\188.example.test."),
        (r"a\@b", r"a\@b.example.test."),
        (r"a\.example.test", r"a\.example.test.example.test."),
        ("0/25", "0/25.example.test."),
        ("sub._dnsorch-not", "sub._dnsorch-not.example.test."),
        ("_dnsorch.sub", "_dnsorch.sub.example.test."),
    ],
)
def test_owner_name_means(text: str, expected: str) -> None:
    assert names.owner_name(text, ZONE) == expected


INVALID = [
    ("", "is empty"),
    (".", "not in the zone"),
    ("a..b", "empty label"),
    (".www", "empty label"),
    ("a" * 64, "label longer than 63 octets"),
    ("ü" * 64, "label longer than 63 octets"),
    (".".join(["a" * 50] * 5), "longer than the 255 octets"),
    (".".join(["a" * 49] * 5), "longer than the 255 octets"),
    ("a." * 2000, "longer than the 255 octets"),
    (r"a\30", "bad escape"),
    (r"a\3x0", "bad escape"),
    (r"a\256", "bad escape"),
    ("a\\", "bad escape"),
    ("a b", r"as part of a label it is written \032."),
    ("a@b", r"as part of a label it is written \@."),
    ("@.example.test.", r"as part of a label it is written \@."),
    ("a;b", r"as part of a label it is written \;."),
    ("$ORIGIN", r"as part of a label it is written \$."),
    ('"www"', r"as part of a label it is written \"."),
    ("a\nb", "'a<U+000A>b' contains a control character"),
    (r"a\010b", "contains a control character"),
    (r"a\127b", "contains a control character"),
    ("☃", "not a valid internationalised name (IDNA 2008)"),
    ("_bücher", "not a valid internationalised name (IDNA 2008)"),
    ("a\u2100c", "not a valid internationalised name (IDNA 2008)"),
    ("＊", "not a valid internationalised name (IDNA 2008)"),
    ("\u00ad", "not a valid internationalised name (IDNA 2008)"),
    ("\ud800", "not a valid internationalised name (IDNA 2008)"),
    (r"\200.bücher", "mixes non-ASCII characters with escapes above"),
    ("www.*", "only as the whole leftmost label"),
    ("*.*", "only as the whole leftmost label"),
    ("*foo", "only as the whole leftmost label"),
    ("foo*", "only as the whole leftmost label"),
]


@pytest.mark.parametrize(("text", "sentence"), INVALID)
def test_owner_name_says_what_is_wrong(text: str, sentence: str) -> None:
    with pytest.raises(DnsorchError) as caught:
        names.owner_name(text, ZONE)
    assert sentence in caught.value.detail
    assert caught.value.code == ("out_of_zone" if text == "." else "invalid_name")
    assert caught.value.status == 400


def test_a_name_of_exactly_255_octets_is_taken() -> None:
    # 4 * 50 and 41 octets with their lengths, and 14 for the zone.
    text = ".".join(["a" * 49] * 4 + ["b" * 40])
    assert names.owner_name(text, ZONE) == f"{text}.{ZONE}"
    with pytest.raises(names.InvalidName):
        names.owner_name(text + "b", ZONE)


@pytest.mark.parametrize(
    "text",
    ["www.other.test.", "test.", "notexample.test.", r"a\.example.test.", "."],
)
def test_owner_name_outside_of_the_zone(text: str) -> None:
    with pytest.raises(names.OutOfZone) as caught:
        names.owner_name(text, ZONE)
    assert caught.value.detail == f"'{text}' is not in the zone {ZONE}"


@pytest.mark.parametrize(
    "text",
    [
        "_dnsorch",
        "_DNSORCH.example.test.",
        r"\095dnsorch",
        "x._dnsorch",
        "*._dnsorch.example.test",
    ],
)
def test_the_marker_name_is_reserved(text: str) -> None:
    with pytest.raises(ReservedName) as caught:
        names.owner_name(text, ZONE)
    assert caught.value.code == "reserved_name"
    assert caught.value.detail == (
        "'_dnsorch.example.test.' and what is below it is reserved for dnsorch."
    )


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("example.test", "example.test."),
        ("Example.Test.", "example.test."),
        ("bücher.test", "xn--bcher-kva.test."),
        ("0/25.2.0.192.in-addr.arpa", "0/25.2.0.192.in-addr.arpa."),
        ("test", "test."),
    ],
)
def test_zone_name(text: str, expected: str) -> None:
    assert names.zone_name(text) == expected
    assert names.zone_name(expected) == expected


@pytest.mark.parametrize(
    ("text", "code", "sentence"),
    [
        (".", "invalid_name", "The root zone '.' cannot be managed."),
        ("", "invalid_name", "is empty"),
        ("@", "invalid_name", "contains '@'"),
        ("*.example.test", "invalid_name", "never in the name of a zone"),
        ("_dnsorch.example.test", "reserved_name", "'_dnsorch' is reserved"),
    ],
)
def test_zone_name_refuses(text: str, code: str, sentence: str) -> None:
    with pytest.raises(DnsorchError) as caught:
        names.zone_name(text)
    assert caught.value.code == code
    assert sentence in caught.value.detail


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("www.example.test", "www.example.test."),
        ("www.example.test.", "www.example.test."),
        ("www", "www."),
        ("*.Bücher.test", "*.xn--bcher-kva.test."),
    ],
)
def test_absolute_name(text: str, expected: str) -> None:
    assert names.absolute_name(text) == expected


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("@", "'@' is the apex of a zone, and no zone is given."),
        ("a.*.test", "only as the whole leftmost label"),
        (".".join(["a" * 63] * 4), "longer than the 255 octets"),
    ],
)
def test_absolute_name_refuses(text: str, sentence: str) -> None:
    with pytest.raises(names.InvalidName) as caught:
        names.absolute_name(text)
    assert sentence in caught.value.detail


def test_suffixes_are_longest_first_and_without_the_root() -> None:
    assert names.suffixes(r"a\.b.www.example.test.") == [
        r"a\.b.www.example.test.",
        "www.example.test.",
        "example.test.",
        "test.",
    ]
    assert names.suffixes(".") == []


@pytest.mark.parametrize(
    ("name", "zone", "expected"),
    [
        ("example.test.", "example.test.", True),
        ("a.b.example.test.", "example.test.", True),
        ("notexample.test.", "example.test.", False),
        (r"a\.example.test.", "example.test.", False),
        ("test.", "example.test.", False),
    ],
)
def test_is_in_zone(name: str, zone: str, expected: bool) -> None:
    assert names.is_in_zone(name, zone) is expected


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("www.example.test.", True),
        ("1.example.test.", True),
        ("xn--bcher-kva.test.", True),
        ("_sip.example.test.", False),
        ("-a.example.test.", False),
        ("a-.example.test.", False),
        ("*.example.test.", False),
        (r"a\.b.test.", False),
        (".", False),
    ],
)
def test_is_host(name: str, expected: bool) -> None:
    assert names.is_host(name) is expected


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("xn--bcher-kva.test.", "bücher.test."),
        ("www.example.test.", "www.example.test."),
        ("_sip._tcp.xn--bcher-kva.test.", "_sip._tcp.bücher.test."),
        # Valid punycode of what no client could have written stays as it is.
        ("xn--n3h.test.", "xn--n3h.test."),
        ("xn--www-.test.", "xn--www-.test."),
        (r"my\032printer.xn--bcher-kva.test.", r"my\032printer.bücher.test."),
        (".", "."),
    ],
)
def test_display(name: str, expected: str) -> None:
    assert names.display(name) == expected
    if name != ".":
        assert names.absolute_name(names.display(name)) == name


def test_bad_a_labels() -> None:
    assert names.bad_a_labels("xn--n3h.xn--bcher-kva.xn--.test.") == ["xn--n3h", "xn--"]


def test_quoted_is_short_and_printable() -> None:
    assert names.quoted("a\x00b\\") == "'a<U+0000>b\\'"
    assert names.quoted("x" * 81) == "'" + "x" * 79 + "…'"


ANY_TEXT = st.one_of(
    st.text(max_size=40),
    st.text(alphabet="aB0-_*.\\@ üß。٠ǆ", max_size=20),
    st.from_regex(r"([a-zA-Z0-9_-]|\\[0-9]{3}|\\.|\.){1,30}", fullmatch=True),
)


@settings(deadline=None)
@given(ANY_TEXT)
def test_owner_name_is_idempotent_or_refuses_with_its_own_error(text: str) -> None:
    try:
        name = names.owner_name(text, ZONE)
    except DnsorchError as exc:
        assert exc.status == 400
        return
    assert names.owner_name(name, ZONE) == name
    assert names.owner_name(name.removesuffix("."), ZONE) == name
    assert names.absolute_name(name) == name
    assert names.owner_name(names.display(name), ZONE) == name
    assert names.is_in_zone(name, ZONE)
    assert ZONE in names.suffixes(name)
    assert name == name.lower() and name.isascii() and name.isprintable()
