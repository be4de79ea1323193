"""What may come in the way of a record that is to go by itself."""

from __future__ import annotations

from datetime import timedelta

import pytest
from rest_framework.test import APIClient

from dns_records.models import Record, Zone
from dns_records.providers.memory import Faults
from dns_records.services import delivery, expiry
from dns_records.tests import world
from dns_records.tests.callers import accepted, caller, change, deliver
from dns_records.tests.lives import ahead, at_once, ends, let_them_end, removals
from dnsorch import clock
from requests_tracker.services import lifecycle
from requests_tracker.tests.factories import steps

A1, A2, A3 = "192.0.2.1", "192.0.2.2", "192.0.2.3"
WWW_A = ("www.example.test.", "A")
DAY = timedelta(days=1)


def test_what_a_rule_forbids_is_rejected_alone_and_put_off_for_a_day(
    api: APIClient, zone: Zone
) -> None:
    ns = "ns1.example.net."
    when = ahead(hours=1)
    accepted(
        api,
        change("create", "@", ns, type="NS", expires_at=when),
        *(change("add", f"w{i}", A1, expires_at=when) for i in range(4)),
    )
    version = api.get("/api/v2/zones/example.test/rrsets/@/NS/").json()["version"]
    let_them_end()
    assert expiry.remove_due() >= 2
    assert world.wanted(zone) == {("example.test.", "NS"): (300, (ns,))}
    (refused,) = (each for each in removals() if each.status == "rejected")
    assert (refused.error_code, refused.value, refused.name) == (
        "apex_ns_required",
        ns,
        "example.test.",
    )
    assert steps(refused) == ["received", "retry_scheduled", "rejected"]
    (warned,) = refused.events.filter(level="warning")
    assert warned.message.startswith("the records stay, and are to go at ")
    assert ends()[ns] > clock.now() + DAY - timedelta(minutes=1)
    assert expiry.remove_due() == 0
    shown = api.get("/api/v2/zones/example.test/rrsets/@/NS/").json()
    assert shown["version"] == version + 1


def test_a_removal_that_fails_is_asked_for_again_after_a_day(
    api: APIClient, zone: Zone
) -> None:
    body = accepted(api, change("add", "www", A1, expires_at=ahead(hours=1)))
    deliver(zone)
    let_them_end()
    assert expiry.remove_due() == 1
    refused = frozenset({"www.example.test."})
    store = world.store_of(zone)
    store.faults = Faults(refuse_names=refused)
    deliver(zone)
    assert [each.status for each in removals()] == ["failed"]
    assert world.wanted(zone) == world.served(zone) == {WWW_A: (300, (A1,))}
    back = Record.objects.get()
    assert str(back.expires_for) == body["id"]
    assert back.expires_at and back.expires_at > clock.now() + timedelta(hours=23)
    assert expiry.remove_due() == 0
    store.faults = Faults()
    let_them_end()
    assert expiry.remove_due() == 1
    deliver(zone)
    assert world.served(zone) == {}


def test_a_change_that_is_taken_out_gives_back_the_lives_it_changed(
    api: APIClient, zone: Zone
) -> None:
    first = ahead(hours=1)
    accepted(api, change("add", "www", A1, A2, expires_at=first))
    before = ends()
    moved = accepted(api, change("add", "www", A1, expires_at=ahead(hours=2)))
    cleared = accepted(api, change("replace", "www", A1, A3))
    assert ends() == {}
    for body in (cleared, moved):
        answer = api.post(f"/api/v2/requests/{body['id']}/cancel/")
        assert answer.status_code == 200
    assert ends() == before


def test_what_comes_after_it_keeps_the_lives_that_it_gave(
    api: APIClient, zone: Zone
) -> None:
    accepted(api, change("add", "www", A1, expires_at=ahead(hours=1)))
    gone = accepted(api, change("replace", "www", A1, ttl=60))
    accepted(api, change("add", "www", A1, expires_at=ahead(hours=3)))
    last = ends()
    answer = api.post(f"/api/v2/requests/{gone['id']}/cancel/")
    assert answer.status_code == 200
    assert ends() == last


def test_a_sweep_that_dies_halfway_leaves_no_trace(
    api: APIClient, zone: Zone, monkeypatch: pytest.MonkeyPatch
) -> None:
    accepted(api, change("add", "www", A1, expires_at=ahead(hours=1)))
    let_them_end()

    def die(*arguments: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(lifecycle, "open_queued", die)
        with pytest.raises(KeyboardInterrupt):
            expiry.remove_due()
    assert (removals(), world.wanted(zone)) == ([], {WWW_A: (300, (A1,))})
    assert (expiry.remove_due(), len(removals())) == (1, 1)


@pytest.mark.django_db(transaction=True)
def test_two_sweeps_at_once_remove_each_once(zone: Zone) -> None:
    api = caller()
    when = ahead(hours=1)
    accepted(api, *(change("add", f"w{i}", A1, expires_at=when) for i in range(20)))
    delivery.drain(zone.pk)
    let_them_end()
    at_once(expiry.remove_due)
    (request,) = removals()
    assert request.changes.count() == 20
    delivery.drain(zone.pk)
    assert world.served(zone) == world.wanted(zone) == {}
