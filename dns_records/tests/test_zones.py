"""Zones: found for a caller, registered, changed, forgotten."""

from __future__ import annotations

from typing import Any
from uuid import uuid4

import pytest

from dns_records.models import Backend, Change, Lane, RRset, Zone
from dns_records.providers.errors import Misconfigured
from dns_records.providers.memory import Faults, Store
from dns_records.services import backends, delivery, verification, zones
from dns_records.services.zones import LaneNotEmpty, ZoneExists, ZoneNotEmpty
from dns_records.tests.world import ANYONE, add, make_zone, served
from dnsorch.exceptions import Forbidden, Invalid, ZoneNotFound
from dnsorch.tokens.access import Access

pytestmark = pytest.mark.django_db

HERE, THERE = "192.0.2.53:53", "192.0.2.54:53"


def memory_backend() -> Backend:
    """Return a backend on a store of its own."""
    name = uuid4().hex
    return backends.save(name=name, driver="memory", options={"store": name})


# --- found ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("access", "error"),
    [
        (Access("a"), None),
        (Access("a", zones=frozenset({"example.test."})), None),
        (Access("a", zones=frozenset({"other.test."})), ZoneNotFound),
        (Access("a", zones=frozenset()), ZoneNotFound),
        (Access("a", read_only=True), Forbidden),
    ],
)
def test_who_may_change_a_zone(
    zone: Zone, access: Access, error: type[Exception] | None
) -> None:
    if error is None:
        assert zones.get_for_write(access, "EXAMPLE.test") == zone
        assert zones.for_name(access, "www.example.test.") == zone
        return
    with pytest.raises(error):
        zones.get_for_write(access, "example.test.")
    with pytest.raises(error):
        zones.for_name(access, "www.example.test.")


def test_a_reader_sees_a_zone(zone: Zone) -> None:
    assert zones.get(Access("a", read_only=True), zone.name) == zone
    with pytest.raises(ZoneNotFound):
        zones.get(ANYONE, "other.test.")


@pytest.mark.parametrize(
    ("name", "found"),
    [
        ("www.example.test.", "example.test."),
        ("example.test.", "example.test."),
        ("a.b.sub.example.test.", "sub.example.test."),
        ("sub.example.test.", "sub.example.test."),
        ("xsub.example.test.", "example.test."),
        ("example.org.", None),
        ("notexample.test.", None),
    ],
)
def test_the_longest_apex_holds_a_name(
    zone: Zone, name: str, found: str | None
) -> None:
    make_zone("sub.example.test.")
    if found is None:
        with pytest.raises(ZoneNotFound):
            zones.for_name(ANYONE, name)
    else:
        assert zones.for_name(ANYONE, name).name == found


def test_a_zone_below_that_is_not_ones_own_hides_the_one_above(zone: Zone) -> None:
    make_zone("sub.example.test.")
    mine = Access("a", zones=frozenset({zone.name}))
    with pytest.raises(ZoneNotFound):
        zones.for_name(mine, "www.sub.example.test.")


# --- registered and changed ----------------------------------------------------------


def test_a_zone_comes_with_its_lane_and_the_defaults(db: None) -> None:
    zone = zones.register(
        name="example.test.", backend=memory_backend(), nameservers=[HERE]
    )
    zone.refresh_from_db()
    assert (zone.verify_policy, zone.fencing, zone.mode) == (
        "all",
        "marker",
        "exclusive",
    )
    assert (zone.default_ttl, zone.verify_deadline_s, zone.event_seq) == (300, 300, 0)
    lane = Lane.objects.get()
    assert (lane.zone_id, lane.epoch, lane.batch_number, lane.dirty) == (
        zone.pk,
        0,
        0,
        False,
    )


def test_a_zone_is_registered_once(zone: Zone) -> None:
    with pytest.raises(ZoneExists):
        make_zone(zone.name)
    assert Lane.objects.count() == 1


@pytest.mark.parametrize(
    ("fields", "pointer"),
    [
        ({"verify_policy": "all", "nameservers": []}, "/nameservers"),
        ({"verify_policy": "primary", "nameservers": []}, "/nameservers"),
        ({"verify_policy": "none", "nameservers": []}, None),
        ({"verify_policy": "k-of-n", "verify_k": 1}, None),
        ({"verify_policy": "k-of-n", "verify_k": 2}, None),
        ({"verify_policy": "k-of-n", "verify_k": 3}, "/verify/k"),
        ({"verify_policy": "k-of-n", "verify_k": 0}, "/verify/k"),
        ({"verify_policy": "k-of-n"}, "/verify/k"),
        # Two of one are one: all of two would never answer.
        ({"verify_policy": "all", "nameservers": [HERE, HERE]}, "/nameservers"),
    ],
)
def test_a_policy_has_to_be_one_that_can_be_met(
    db: None, fields: dict[str, Any], pointer: str | None
) -> None:
    fields = {"nameservers": [HERE, THERE], **fields}
    if pointer is None:
        zone = make_zone(**fields)
        zones.change(zone, fields)
        return
    with pytest.raises(Invalid) as caught:
        make_zone(**fields)
    assert [reason.pointer for reason in caught.value.reasons] == [pointer]
    assert Zone.objects.count() == 0
    zone = make_zone()
    with pytest.raises(Invalid):
        zones.change(zone, fields)
    zone.refresh_from_db()
    assert (zone.verify_policy, zone.nameservers) == ("none", [])


def test_changing_a_zone_changes_what_is_given(zone: Zone) -> None:
    changed = zones.change(zone, {"default_ttl": 60, "verify_deadline_s": 5})
    zone.refresh_from_db()
    assert (zone.default_ttl, zone.verify_deadline_s) == (60, 5)
    assert changed == zone
    assert zone.verify_policy == "none"


def test_another_backend_needs_an_empty_lane_and_takes_its_own_marker(
    zone: Zone,
) -> None:
    add("www", "192.0.2.1")
    other = memory_backend()
    with pytest.raises(LaneNotEmpty):
        zones.change(zone, {"backend": other})
    delivery.drain(zone.pk)
    with pytest.raises(LaneNotEmpty):  # it is still to be verified
        zones.change(zone, {"backend": other})
    verification.check(zone.pk)
    zones.change(zone, {"backend": zone.backend})  # no other backend
    assert Lane.objects.get().marker_epoch == 1
    zone = zones.change(zone, {"backend": other})
    assert (Lane.objects.get().marker_epoch, Lane.objects.get().marker_number) == (0, 0)
    # Numbers go on: none is used for two messages of a lane.
    add("ftp", "192.0.2.1")
    delivery.drain(zone.pk)
    assert served(zone) == {("ftp.example.test.", "A"): (300, ("192.0.2.1",))}
    assert Lane.objects.get().batch_number == 2


# --- forgotten -----------------------------------------------------------------------


def test_a_zone_with_records_is_forgotten_by_force_only(zone: Zone) -> None:
    add("www", "192.0.2.1")
    for force in (False, True):
        with pytest.raises(LaneNotEmpty):
            zones.forget(zone, force=force)
    delivery.drain(zone.pk)
    verification.check(zone.pk)
    with pytest.raises(ZoneNotEmpty):
        zones.forget(zone)
    before = served(zone)
    zones.forget(zone, force=True)
    assert served(zone) == before  # DNS is not touched
    counts = [each.objects.count() for each in (Zone, Lane, RRset, Change)]
    assert counts == [0, 0, 0, 0]


def test_a_zone_with_an_undecided_message_is_not_forgotten(
    zone: Zone, store: Store
) -> None:
    delivery.drain(zone.pk)
    store.faults = Faults(lose_message=True)
    add("www", "192.0.2.1")
    delivery.drain(zone.pk)
    with pytest.raises(LaneNotEmpty):
        zones.forget(zone, force=True)
    assert Zone.objects.count() == 1


def test_an_empty_zone_is_forgotten(zone: Zone) -> None:
    zones.forget(zone)
    assert Zone.objects.count() == 0


# --- backends ------------------------------------------------------------------------


def test_a_backend_is_checked_before_it_is_saved(db: None) -> None:
    for driver, options in (("carrier-pigeon", {}), ("memory", {"wings": 2})):
        with pytest.raises(Misconfigured):
            backends.save(name="b", driver=driver, options=options)
    assert Backend.objects.count() == 0
    first = backends.save(name="b", driver="memory", options={"store": "one"})
    again = backends.save(name="b", driver="memory", options={"store": "two"})
    assert (first.pk, again.options) == (again.pk, {"store": "two"})
