"""Route 53, call by call: what is sent, what is read, and the sizes."""

from __future__ import annotations

import pytest

from dns_records.providers import aws
from dns_records.providers.aws import Key
from dns_records.providers.base import Fence, RRsetChange
from dns_records.providers.errors import (
    MessageTooLarge,
)
from dns_records.providers.registry import provider_class
from dns_records.providers.route53 import Route53Provider
from dns_records.tests.provider_services import ZONE, rr
from dns_records.tests.route53_kit import CHANGE, LIST, MARKER, A, element, provider
from dns_records.tests.route53_server import Route53


@pytest.fixture
def server(route53: Route53) -> Route53:
    """An empty zone."""
    route53.reset()
    return route53


def test_it_is_a_driver() -> None:
    assert provider_class("route53") is Route53Provider


def test_a_batch_is_the_marker_s_step_then_the_changes(server: Route53) -> None:
    sut = provider(server)
    sut.apply(ZONE, [rr("old", "MX", "10 a.", "20 b.")], fence=Fence(None, "v1 1 1"))
    receipt = sut.apply(
        ZONE,
        [A, rr("old", "MX"), rr("never", "A")],
        fence=Fence("v1 1 1", "v1 1 2"),
    )

    assert server.batches == [
        [
            element("CREATE", MARKER, "TXT", 0, '"v1 1 1"'),
            element("UPSERT", "old.example.test.", "MX", 300, "10 a.", "20 b."),
        ],
        [
            element("DELETE", MARKER, "TXT", 0, '"v1 1 1"'),
            element("CREATE", MARKER, "TXT", 0, '"v1 1 2"'),
            element("DELETE", "old.example.test.", "MX", 300, "10 a.", "20 b."),
            element("UPSERT", "www.example.test.", "A", 300, "192.0.2.1"),
        ],
    ]
    # Nothing is read to write; what is to be deleted is read.
    assert server.calls == [CHANGE, LIST, CHANGE]
    assert (receipt.rcode, receipt.octets) == ("NOERROR", 8 + 8 + 10 + 2 * 9)


def test_nothing_to_delete_is_nothing_to_send(server: Route53) -> None:
    receipt = provider(server).apply(ZONE, [rr("never", "A")])

    assert (receipt.rcode, receipt.octets) == ("NOERROR", 0)
    assert server.calls == [LIST]


@pytest.mark.parametrize(
    ("text", "escaped"),
    [
        (r'"\195\164"', r'"\303\244"'),
        (r'"a\"b\\c"', r'"a\042b\134c"'),
        (r'"\001\127"', r'"\001\177"'),
        ('0 issue "ca.test; a=b"', '0 issue "ca.test; a=b"'),
    ],
)
def test_escapes_are_octal_in_route_53(
    server: Route53, text: str, escaped: str
) -> None:
    rtype = "CAA" if "issue" in text else "TXT"
    sut = provider(server)
    sut.apply(ZONE, [rr("t", rtype, text)])

    assert aws.escaped(text) == escaped
    held = server.held(ZONE)["t.example.test.", rtype]
    assert held["ResourceRecords"] == [escaped]
    assert sut.probe(ZONE, [rr("t", rtype, text)])


def test_names_are_written_as_route_53_stores_them(server: Route53) -> None:
    names = ["*", r"a\032b", r"c\.d", r"e\@f", "_x-y"]
    changes = [rr(name, "A", "192.0.2.1") for name in names]
    sut = provider(server)
    sut.apply(ZONE, changes)

    assert {name for name, rtype in server.held(ZONE) if rtype == "A"} == {
        r"\052.example.test.",
        r"a\040b.example.test.",
        r"c\056d.example.test.",
        r"e\100f.example.test.",
        "_x-y.example.test.",
    }
    assert sut.probe(ZONE, changes)
    for change in changes:
        assert sut.probe(ZONE, [change])
        sut.apply(ZONE, [RRsetChange(change.name, "A", 0, ())])
    assert {rtype for _, rtype in server.held(ZONE)} == {"NS", "SOA"}


# --- reading ------------------------------------------------------------------------


def test_many_neighbours_are_read_by_the_page(server: Route53) -> None:
    sut = provider(server)
    changes = [rr(f"host{n:04}", "A", "192.0.2.1") for n in range(450)]
    sut.apply(ZONE, changes)
    server.calls.clear()

    assert sut.probe(ZONE, changes)
    assert server.calls == [LIST, LIST]


def test_far_apart_each_is_read_by_itself(server: Route53) -> None:
    sut = provider(server)
    sut.apply(ZONE, [rr(f"host{n:04}", "A", "192.0.2.1") for n in range(450)])
    sut.apply(ZONE, [rr(f"test{n:04}", "A", "192.0.2.1") for n in range(450)])
    server.calls.clear()

    missing = [rr(f"{where}0000.sub", "A") for where in ("host", "test")]
    assert sut.probe(ZONE, [*missing, rr("a", "A"), rr("z", "A")])
    # From "a" to some host, from below "sub" to some test, and "z".
    assert server.calls == [LIST, LIST, LIST]


def test_an_order_that_is_not_ours_is_not_trusted(
    server: Route53, monkeypatch: pytest.MonkeyPatch
) -> None:
    sut = provider(server)
    changes = [rr(f"host{n:04}", "A", "192.0.2.1") for n in range(450)]
    sut.apply(ZONE, changes)
    wanted = [changes[400], changes[410], rr("host0405", "TXT")]
    monkeypatch.setattr(aws, "place", lambda key: (key.name[::-1], key.type))
    server.calls.clear()

    assert sut.probe(ZONE, wanted)
    assert len(server.calls) == 1  # They end with the zone: no page is cut.
    server.calls.clear()
    assert not sut.probe(ZONE, [*changes[:3], rr("host0003", "A")])
    assert len(server.calls) == 4


def test_where_a_record_set_stands_in_a_list() -> None:
    names = ["a-b.", "a.", "*.", "b.a.", "-.a.", "_x.", r"\032."]
    keys = [Key(name + ZONE, "A") for name in names]
    assert [key.name.removesuffix(ZONE) for key in sorted(keys, key=aws.place)] == [
        r"\032.",
        "*.",
        "_x.",
        "a-b.",
        "a.",
        "-.a.",
        "b.a.",
    ]


# --- sizes --------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("changes", "fits"),
    [
        ([rr(f"h{n}", "A", "192.0.2.1") for n in range(500)], True),
        ([rr(f"h{n}", "A", "192.0.2.1") for n in range(501)], False),
        ([rr(f"h{n}", "TXT", f'"{"x" * 198}"') for n in range(80)], True),
        ([rr(f"h{n}", "TXT", f'"{"x" * 198}"') for n in range(81)], False),
    ],
    ids=["500 values", "501 values", "32000 characters", "32400 characters"],
)
def test_the_limits_of_a_batch(
    server: Route53, changes: list[RRsetChange], fits: bool
) -> None:
    sut = provider(server)
    if fits:
        sut.apply(ZONE, changes)
    else:
        with pytest.raises(MessageTooLarge):
            sut.apply(ZONE, changes)
    assert len(server.batches) == fits


@pytest.mark.parametrize("text", [r'"' + r"\"" * 120 + '"', r'"' + r"\200" * 60 + '"'])
def test_the_estimate_is_never_too_low(server: Route53, text: str) -> None:
    sut = provider(server)
    changes = [rr("t", "TXT", text), rr("a", "A", "192.0.2.1")]
    receipt = sut.apply(ZONE, changes, fence=Fence(None, "m" * 255))
    assert receipt.octets <= sut.message_octets(ZONE, changes)
