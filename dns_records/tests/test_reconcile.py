"""Servers and databases that were restored from an older state, put right again."""

from __future__ import annotations

import copy

import pytest

from dns_records.models import Lane, Zone
from dns_records.providers import registry
from dns_records.providers.memory import Faults, Store
from dns_records.services import backends, delivery, reconcile, verification, zones
from dns_records.services.lane_run import LaneRun
from dns_records.services.reconcile import Audit, Order
from dns_records.services.sweep import Sweeper
from dns_records.tests.conftest import Broker
from dns_records.tests.world import (
    add,
    draft,
    fresh,
    hurry,
    make_zone,
    marker,
    messages,
    post,
    put_into_dns,
    served,
    wanted,
)
from dnsorch.embedded.nameserver import running
from requests_tracker.models import Request
from requests_tracker.tests.factories import steps

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


# --- restored from an older state -----------------------------------------------------


@pytest.mark.parametrize(
    ("held", "reason"),
    [
        ("v1 1 1", "the marker went back from number 3 to 1"),
        (None, "the marker is gone"),
        ("hands off", "the marker was overwritten"),
    ],
)
def test_a_server_restored_from_an_old_state_is_noticed_and_reconciled(
    zone: Zone, store: Store, held: str | None, reason: str, broker: Broker
) -> None:
    add("old", A)
    deliver(zone)
    backup = copy.deepcopy(store.rrsets)
    add("www", A)
    deliver(zone)
    post(draft("delete", "old", "A"))
    deliver(zone)
    state = served(zone)

    store.rrsets.clear()
    store.rrsets.update(backup)
    put_into_dns(zone, MARKER, "TXT", *[held] if held else [])
    request = add("next", A)
    deliver(zone)  # refused: the marker is not the one it was
    deliver(zone)  # taken again
    assert fresh(request).status == "completed"
    assert lane(zone).reconcile_order == {
        "reason": reason,
        "requester": "dnsorch",
        "source": "schedule",
    }

    broker.go_down()
    Sweeper().once()
    (made,) = Request.objects.filter(action="reconcile")
    deliver(zone)

    assert fresh(made).status == "completed"
    assert (made.source, made.requester) == ("schedule", "dnsorch")
    assert reason in str(made.comment)
    assert steps(made)[:5] == [
        "received",
        "validated",
        "validated",
        "stored",
        "enqueued",
    ]
    assert served(zone) == state | {("next.example.test.", "A"): (300, (A,))}
    assert served(zone) == wanted(zone)
    row = lane(zone)
    assert (row.reconcile_at, row.reconcile_order) == (None, None)
    assert row.last_audit is not None
    assert (row.last_audit["missing"], row.last_audit["different"]) == (1, 1)
    assert row.last_audit["requests"] == [str(made.pk)]
    # The numbers went on: no message's number was used twice.
    assert marker(zone) == f"v1 {row.epoch} {row.batch_number}"


def test_without_the_notice_the_loss_would_stay(
    zone: Zone, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The guard of the test above, taken away."""
    monkeypatch.setattr(LaneRun, "_not_as_left", lambda self, text, found: None)
    add("www", A)
    deliver(zone)
    store.rrsets.clear()
    add("next", A)
    deliver(zone)
    deliver(zone)
    assert reconciled(zone) == []
    assert ("www.example.test.", "A") not in served(zone)


def test_a_database_older_than_its_server_jumps_over_the_marker(zone: Zone) -> None:
    """Only the lane's memory is set back; what it wrote since is unknown to it."""
    add("www", A)
    deliver(zone)
    before = lane(zone)
    put_into_dns(zone, "www.example.test.", "A", B)
    put_into_dns(zone, "later.example.test.", "A", B)
    put_into_dns(zone, MARKER, "TXT", "v1 7 40")

    request = add("next", A)
    deliver(zone)
    deliver(zone)
    assert fresh(request).status == "completed"
    row = lane(zone)
    assert (before.epoch, row.epoch) == (1, 8)
    assert marker(zone) == "v1 8 41"

    (made,) = reconciled(zone)
    deliver(zone)
    assert "the database is older than the server" in str(made.comment)
    assert served(zone) == {
        **wanted(zone),
        ("later.example.test.", "A"): (300, (B,)),
    }
    audit = lane(zone).last_audit
    assert audit is not None
    assert (audit["missing"], audit["different"], audit["extra"]) == (0, 1, 1)


def test_who_dies_after_taking_a_lost_marker_has_left_the_order(
    zone: Zone, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    add("www", A)
    deliver(zone)
    store.rrsets.clear()
    add("next", A)
    deliver(zone)

    def die(*args: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(LaneRun, "_remember", die)
    with pytest.raises(KeyboardInterrupt):
        deliver(zone)
    assert lane(zone).reconcile_at is not None


@pytest.mark.parametrize("registered", ["new", "moved to another backend"])
def test_a_zone_without_a_past_is_not_reconciled(zone: Zone, registered: str) -> None:
    if registered != "new":
        add("www", A)
        deliver(zone)
        other = make_zone("other.test.")
        zones.change(zone, {"backend": other.backend})
    add("next", A)
    deliver(zone)
    assert lane(zone).reconcile_at is None


def test_a_server_that_cannot_be_asked_is_asked_again(zone: Zone, store: Store) -> None:
    add("www", A)
    deliver(zone)
    put_into_dns(zone, "www.example.test.", "A")
    reconcile.ask_for(zone, Order("an operator asked", "ann", "admin"))
    store.faults = Faults(unreachable=True)

    assert reconciled(zone) == []
    row = lane(zone)
    assert row.last_audit is not None and "error" in row.last_audit
    assert row.reconcile_at is not None
    assert reconcile.due() == []  # for a minute

    store.faults = Faults()
    Lane.objects.update(reconcile_at=row.reconcile_at - reconcile.CLAIM)
    assert [each for each, _ in reconcile.due()] == [zone.pk]
    (made,) = reconciled(zone)
    assert (made.requester, made.source) == ("ann", "admin")
    assert lane(zone).reconcile_at is None


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
