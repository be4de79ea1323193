"""Where PTR records belong, and what becomes of them."""

from __future__ import annotations

import pytest

from dns_records import ptr
from dns_records.images import Image, Key
from dns_records.plan import Expectation, Operation
from dns_records.ptr import Place, Wish

KEY = Key("1.2.0.192.in-addr.arpa.", "PTR")
WWW, MAIL = "www.example.test.", "mail.example.test."
NIBBLES = "1.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.8.b.d.0.1.0.0.2.ip6.arpa."


@pytest.mark.parametrize(
    ("address", "name"),
    [
        ("192.0.2.1", "1.2.0.192.in-addr.arpa."),
        ("0.0.0.0", "0.0.0.0.in-addr.arpa."),
        ("255.254.253.252", "252.253.254.255.in-addr.arpa."),
        ("2001:db8::1", NIBBLES),
        ("2001:0DB8:0:0::1", NIBBLES),
        ("::ffff:192.0.2.1", "1.2.0.192.in-addr.arpa."),
    ],
)
def test_the_name_that_stands_for_an_address(address: str, name: str) -> None:
    assert ptr.reverse_name(address) == name


PARENT = "2.0.192.in-addr.arpa."


@pytest.mark.parametrize(
    ("label", "octets"),
    [
        ("0-63", range(64)),
        ("64-127", range(64, 128)),
        ("5-5", range(5, 6)),
        ("0-255", range(256)),
        ("0/26", range(64)),
        ("64/26", range(64, 128)),
        ("128/25", range(128, 256)),
        ("252/30", range(252, 256)),
        ("7/32", range(7, 8)),
        ("0/24", None),
        ("0/33", None),
        ("1/26", None),
        ("256/32", None),
        ("63-0", None),
        ("0-256", None),
        ("0-63.more", None),
        ("customer", None),
        ("12", None),
    ],
)
def test_classless_zones(label: str, octets: range | None) -> None:
    assert ptr.classless_range(f"{label}.{PARENT}", PARENT) == octets
    assert ptr.classless_range(f"{label}.3.0.192.in-addr.arpa.", PARENT) is None


ZONES = frozenset(
    {
        "192.in-addr.arpa.",
        "2.0.192.in-addr.arpa.",
        "0-63.2.0.192.in-addr.arpa.",
        "64/26.2.0.192.in-addr.arpa.",
        "64-79.2.0.192.in-addr.arpa.",
        "0/25.3.0.192.in-addr.arpa.",
        "8.b.d.0.1.0.0.2.ip6.arpa.",
        "0.0.0.0.8.b.d.0.1.0.0.2.ip6.arpa.",
        "example.test.",
    }
)


@pytest.mark.parametrize(
    ("address", "zone", "name"),
    [
        ("192.0.2.5", "0-63.2.0.192.in-addr.arpa.", "5.0-63.2.0.192.in-addr.arpa."),
        ("192.0.2.0", "0-63.2.0.192.in-addr.arpa.", "0.0-63.2.0.192.in-addr.arpa."),
        ("192.0.2.63", "0-63.2.0.192.in-addr.arpa.", "63.0-63.2.0.192.in-addr.arpa."),
        ("192.0.2.64", "64-79.2.0.192.in-addr.arpa.", "64.64-79.2.0.192.in-addr.arpa."),
        ("192.0.2.80", "64/26.2.0.192.in-addr.arpa.", "80.64/26.2.0.192.in-addr.arpa."),
        ("192.0.2.128", "2.0.192.in-addr.arpa.", "128.2.0.192.in-addr.arpa."),
        ("192.0.3.1", "0/25.3.0.192.in-addr.arpa.", "1.0/25.3.0.192.in-addr.arpa."),
        ("192.0.3.200", "192.in-addr.arpa.", "200.3.0.192.in-addr.arpa."),
        ("2001:db8::1", "0.0.0.0.8.b.d.0.1.0.0.2.ip6.arpa.", NIBBLES),
    ],
)
def test_the_nearest_zone(address: str, zone: str, name: str) -> None:
    assert ptr.place(address, ZONES) == Place(zone, name)


@pytest.mark.parametrize("address", ["198.51.100.1", "2001:db9::1"])
def test_no_zone(address: str) -> None:
    assert ptr.place(address, ZONES) is None
    (notice,) = ptr.missing([Wish(address, WWW, 300)])
    assert notice.code == "no_reverse_zone"
    assert ptr.missing([Wish(address, WWW, 300, gone=True)]) == []


def image(*targets: str) -> Image | None:
    """Return a PTR RRset."""
    return Image.of(300, targets)


def here(*targets: str) -> Expectation:
    """Return that a PTR RRset is as it was found."""
    return Expectation(tuple(sorted(targets)) or None)


ADD_WWW, ADD_MAIL = Wish("192.0.2.1", WWW, 60), Wish("192.0.2.1", MAIL, 60)
DROP_WWW = Wish("192.0.2.1", WWW, 0, gone=True)


@pytest.mark.parametrize(
    ("found", "wishes", "operation", "codes"),
    [
        ((), [ADD_WWW], Operation("create", KEY, 60, (WWW,), here()), []),
        ((WWW,), [ADD_WWW], None, []),
        ((MAIL,), [ADD_WWW], None, ["ptr_taken"]),
        ((MAIL, WWW), [ADD_WWW], None, ["ptr_taken"]),
        ((), [DROP_WWW], None, []),
        ((WWW,), [DROP_WWW], Operation("delete", KEY, expected=here(WWW)), []),
        ((MAIL,), [DROP_WWW], None, []),
        ((MAIL, WWW), [DROP_WWW], None, ["ptr_taken"]),
        (
            (WWW,),
            [ADD_MAIL, DROP_WWW],
            Operation("replace", KEY, 60, (MAIL,), here(WWW)),
            [],
        ),
        (
            (),
            [ADD_WWW, ADD_MAIL],
            Operation("create", KEY, 60, (MAIL,), here()),
            ["ptr_taken"],
        ),
    ],
)
def test_never_over_what_someone_else_owns(
    found: tuple[str, ...],
    wishes: list[Wish],
    operation: Operation | None,
    codes: list[str],
) -> None:
    decided, notices = ptr.decide(KEY, image(*found), wishes)
    assert decided == operation
    assert [notice.code for notice in notices] == codes


def test_a_warning_names_the_target() -> None:
    _, (notice,) = ptr.decide(KEY, image(MAIL), [ADD_WWW])
    assert MAIL in notice.detail and WWW in notice.detail
