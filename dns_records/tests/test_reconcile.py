"""A zone compared with its server, and what differs put back."""

from __future__ import annotations

import pytest

from dns_records.models import Lane, Zone
from dns_records.providers import registry
from dns_records.services import backends, delivery, reconcile, verification, zones
from dns_records.services.orders import Order
from dns_records.services.reconcile import Audit
from dns_records.tests.world import (
    add,
    draft,
    fresh,
    hurry,
    messages,
    post,
    put_into_dns,
    served,
    wanted,
)
from dnsorch.embedded.nameserver import running
from requests_tracker.models import Request

pytestmark = pytest.mark.django_db

A = "192.0.2.1"
B = "192.0.2.2"
MARKER = "_dnsorch.example.test."


def deliver(zone: Zone) -> None:
    """Send what waits, and close it."""
    hurry(zone)
    delivery.drain(zone.pk)
    verification.check(zone.pk)


def found(audit: Audit) -> list[tuple[str, str]]:
    """Return the differences as kind and owner name, without the zone's."""
    return [
        (each.kind, each.key.name.removesuffix(".example.test."))
        for each in audit.differences
    ]


def lane(zone: Zone) -> Lane:
    """Return the lane of a zone."""
    return Lane.objects.get(zone=zone)


def reconciled(zone: Zone) -> list[Request]:
    """Do what is due in a zone; return the requests that were made of it."""
    known = set(Request.objects.values_list("pk", flat=True))
    reconcile.run_due(zone.pk)
    return list(Request.objects.exclude(pk__in=known).order_by("pk"))


# --- what is found --------------------------------------------------------------------


def test_a_zone_as_it_was_left_has_no_differences(zone: Zone) -> None:
    add("www", A)
    deliver(zone)

    audit = reconcile.audit(zone)

    assert (audit.differences, audit.rrsets, audit.in_motion) == ((), 1, 0)


def test_each_kind_of_difference_is_found_and_named(zone: Zone) -> None:
    for name in ("gone", "other", "ttl", "deleted", "same"):
        add(name, A)
    deliver(zone)
    post(draft("delete", "deleted", "A"))
    deliver(zone)
    put_into_dns(zone, "gone.example.test.", "A")
    put_into_dns(zone, "other.example.test.", "A", A, B)
    put_into_dns(zone, "deleted.example.test.", "A", A)
    put_into_dns(zone, "foreign.example.test.", "TXT", '"theirs"')

    audit = reconcile.audit(zone)

    assert found(audit) == [
        ("different", "deleted"),
        ("extra", "foreign"),
        ("missing", "gone"),
        ("different", "other"),
    ]
    assert audit.counts == {"missing": 1, "different": 2, "extra": 1}
    assert audit.as_dict()["differences"][3] == {
        "name": "other.example.test.",
        "type": "A",
        "kind": "different",
        "wanted": {"ttl": 300, "records": [A]},
        "served": {"ttl": 300, "records": [A, B]},
    }
    # What is not ours to put back is left out first.
    kept = audit.as_dict(limit=3)["differences"]
    assert [each["kind"] for each in kept] == ["different", "missing", "different"]


def test_another_ttl_is_a_difference(zone: Zone) -> None:
    post(draft("add", "www", "A", A, ttl=60))
    deliver(zone)
    put_into_dns(zone, "www.example.test.", "A", A)
    assert found(reconcile.audit(zone)) == [("different", "www")]


@pytest.mark.parametrize(
    ("name", "rtype", "text"),
    [
        (MARKER, "TXT", '"v1 9 9"'),
        ("example.test.", "SOA", "ns. host. 1 2 3 4 5"),
        ("example.test.", "NS", "ns1.example.test."),
        ("www.example.test.", "RRSIG", "whatever a signer says"),
        ("www.example.test.", "NSEC", "z.example.test. A"),
        ("example.test.", "DNSKEY", "256 3 13 AAAA"),
        ("example.test.", "CDS", "0 0 0 00"),
        ("example.test.", "TYPE65534", "\\# 0"),
    ],
)
def test_what_a_server_makes_itself_is_left_out(
    zone: Zone, name: str, rtype: str, text: str
) -> None:
    add("www", A)
    deliver(zone)
    put_into_dns(zone, name, rtype, text)
    assert reconcile.audit(zone).differences == ()


def test_what_is_on_its_way_is_no_difference(zone: Zone) -> None:
    add("www", A)
    deliver(zone)
    put_into_dns(zone, "www.example.test.", "A")
    post(draft("put", "www", "A", B))

    audit = reconcile.audit(zone)

    assert (audit.differences, audit.in_motion) == ((), 1)


def test_what_was_applied_while_the_server_was_read_is_no_difference(
    zone: Zone, monkeypatch: pytest.MonkeyPatch
) -> None:
    add("www", A)
    deliver(zone)
    provider = registry.for_backend(zone.backend.driver, zone.backend.options, "")
    read = list(provider.read_zone(zone.name))

    def slowly(self: object, name: str) -> object:
        post(draft("put", "www", "A", B))
        deliver(zone)
        return iter(read)

    monkeypatch.setattr(type(provider), "_read_zone", slowly)
    assert reconcile.audit(zone).differences == ()


# --- what is put back -----------------------------------------------------------------


def test_what_is_missing_or_different_is_put_back_through_the_lane(
    zone: Zone,
) -> None:
    for name in ("gone", "other", "deleted", "same"):
        add(name, A)
    deliver(zone)
    post(draft("delete", "deleted", "A"))
    deliver(zone)
    before = served(zone)
    put_into_dns(zone, "gone.example.test.", "A")
    put_into_dns(zone, "other.example.test.", "A", B)
    put_into_dns(zone, "deleted.example.test.", "A", A)
    put_into_dns(zone, "foreign.example.test.", "TXT", '"theirs"')
    sent = len(messages(zone))

    by = Order("somebody asked for it", "ann", "command")
    (answer,) = reconcile.restore(zone, reconcile.audit(zone).restorable, by)
    deliver(zone)

    assert answer.request_id is not None
    request = Request.objects.get(pk=answer.request_id)
    assert (request.status, request.action) == ("completed", "reconcile")
    assert (request.requester, request.source) == ("ann", "command")
    why = (
        "put back deleted.example.test. A, gone.example.test. A, "
        "other.example.test. A: somebody asked for it"
    )
    assert request.comment == why
    assert request.events.filter(message=why, level="warning").count() == 1
    foreign = {("foreign.example.test.", "TXT"): (300, ('"theirs"',))}
    assert served(zone) == before | foreign
    assert messages(zone)[sent:] == [
        [
            ("deleted.example.test.", "A", ()),
            ("gone.example.test.", "A", (A,)),
            ("other.example.test.", "A", (A,)),
        ]
    ]
    assert reconcile.audit(zone).restorable == []


def test_many_rrsets_take_several_requests_and_no_name_is_cut(
    zone: Zone, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reconcile, "MAX_RRSETS", 3)
    for number in range(4):
        post(
            draft("add", f"n{number}", "A", A),
            draft("add", f"n{number}", "TXT", '"x"'),
        )
    deliver(zone)
    state = wanted(zone)
    for name, rtype in list(served(zone)):
        put_into_dns(zone, name, rtype)

    answers = reconcile.restore(
        zone, reconcile.audit(zone).restorable, Order("all is gone")
    )
    assert [answer.status for answer in answers] == [202] * 4
    deliver(zone)
    assert served(zone) == state == wanted(zone)


def test_a_change_that_came_meanwhile_is_not_undone(zone: Zone) -> None:
    add("www", A)
    deliver(zone)
    put_into_dns(zone, "www.example.test.", "A")
    keys = reconcile.audit(zone).restorable
    post(draft("put", "www", "A", B))

    (answer,) = reconcile.restore(zone, keys, Order("it is gone"))

    assert (answer.status, answer.body["code"]) == (409, "nothing_to_restore")
    deliver(zone)
    assert served(zone) == {("www.example.test.", "A"): (300, (B,))}


# --- over the wire --------------------------------------------------------------------


def test_a_zone_is_read_by_transfer() -> None:
    with running() as server:
        backend = backends.save(
            name="wire",
            driver="rfc2136",
            options={"server": server.host, "port": server.port},
        )
        zone = zones.register(
            name="example.test.", backend=backend, verify_policy="none"
        )
        texts = [draft("add", f"n{n}", "TXT", f'"{"x" * 200}"') for n in range(200)]
        post(*texts)
        deliver(zone)
        assert reconcile.audit(zone).restorable == []
        assert reconcile.audit(zone).rrsets == 201  # with the address of ns1
        port = server.port
    with running(port=port):
        # The same server, as it was before anything was changed.
        assert reconcile.audit(zone).counts["missing"] == 200
        add("next", A)
        deliver(zone)
        deliver(zone)
        made = reconciled(zone)
        deliver(zone)
        assert [fresh(each).status for each in made] == ["completed"] * len(made)
        assert reconcile.audit(zone).restorable == []
