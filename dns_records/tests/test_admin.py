"""The wanted state, changes, lanes and batches in the admin: looked at, woken."""

from __future__ import annotations

from typing import Any

import pytest
from django.test import Client
from pytest_django import DjangoAssertNumQueries

from dns_records.models import Batch, Change, Lane, RRset, Zone
from dns_records.services import delivery, wake
from dns_records.tests import world
from dns_records.tests.conftest import Broker
from dnsorch import clock
from requests_tracker.status import Status
from requests_tracker.tests.admin import said, staff
from requests_tracker.tests.factories import NOON

pytestmark = pytest.mark.django_db

ADMIN = "/admin/dns_records/"


def names_of(client: Client, url: str, **query: str) -> list[str]:
    """Return the names that a list shows, in its order."""
    answer = client.get(f"{ADMIN}{url}/", query)
    assert answer.status_code == 200
    return [row.name.partition(".")[0] for row in answer.context["cl"].result_list]


@pytest.fixture
def content(zone: Zone) -> None:
    """One live RRset, one gone, one pending, one in another zone."""
    world.make_zone("other.test.")
    world.add("live", "192.0.2.1")
    gone = world.add("gone", "192.0.2.1")
    delivery.drain(zone.pk)
    world.post(world.draft("delete", "gone"))
    delivery.drain(zone.pk)
    Change.objects.update(next_check_at=None)
    assert world.fresh(gone).status == Status.VERIFYING
    world.post(world.draft("add", "pending", "CNAME", "192.0.2.1.test."))
    world.add("theirs", "192.0.2.7", zone="other.test.")


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ({}, ["gone", "live", "pending", "theirs"]),
        ({"state": "live"}, ["live"]),
        ({"state": "pending"}, ["pending", "theirs"]),
        ({"state": "absent"}, ["gone"]),
        ({"zone": "other.test"}, ["theirs"]),
        ({"type": "CNAME"}, ["pending"]),
        ({"q": "LIVE.example.test"}, ["live"]),
        ({"q": "pend"}, ["pending"]),
        ({"q": "192.0.2.1"}, ["live"]),
        ({"q": "192.0.2.1.TEST."}, ["pending"]),
        ({"q": "192.0.2."}, []),
        ({"q": "no..name"}, []),
    ],
)
@pytest.mark.usefixtures("content")
def test_rrsets_are_found(
    admin_client: Client, query: dict[str, str], found: list[str]
) -> None:
    assert names_of(admin_client, "rrset", **query) == found


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ({"status__exact": "pending"}, ["theirs", "pending"]),
        ({"zone": "other.test"}, ["theirs"]),
        ({"type": "CNAME"}, ["pending"]),
        ({"q": "gone.example.test"}, ["gone", "gone"]),
        ({"q": "liv"}, ["live"]),
        ({"q": "no..name"}, []),
    ],
)
@pytest.mark.usefixtures("content")
def test_changes_are_found(
    admin_client: Client, query: dict[str, str], found: list[str]
) -> None:
    assert names_of(admin_client, "change", **query) == found


def test_the_page_of_an_rrset_shows_records_and_changes(
    admin_client: Client, zone: Zone
) -> None:
    request = world.add("www", *(world.address(n) for n in range(7)))
    row = RRset.objects.get()
    seen = admin_client.get(f"{ADMIN}rrset/").content.decode()
    assert "<div>10.0.0.4</div><small>and 2 more</small>" in seen
    text = admin_client.get(f"{ADMIN}rrset/{row.pk}/change/").content.decode()
    assert "<div>10.0.0.6 <small" in text
    assert '<pre class="dnsorch-data">absent</pre>' in text
    assert f'<a href="/admin/requests_tracker/request/{request.pk}/change/">' in text


def test_an_internationalised_name_is_shown_as_people_read_it(
    admin_client: Client, zone: Zone
) -> None:
    world.post(world.draft("add", "bücher", "A", "192.0.2.1"))
    row = RRset.objects.get(name="xn--bcher-kva.example.test.")
    text = admin_client.get(f"{ADMIN}rrset/{row.pk}/change/").content.decode()
    assert "bücher.example.test." in text


@pytest.mark.parametrize(
    ("url", "queries"),
    # session, user, bounded count, rows; and its own:
    [
        ("zone", 5),  # backends of the filter
        ("backend", 5),  # drivers of the filter
        ("rrset", 6),  # records, suggestions of the zone filter
        ("change", 5),  # suggestions of the zone filter
        ("lane", 4),
        ("batch", 5),  # suggestions of the zone filter
    ],
)
@pytest.mark.parametrize("rows", [1, 9])
def test_lists_ask_the_same_few_questions_for_any_number_of_rows(
    admin_client: Client,
    django_assert_num_queries: DjangoAssertNumQueries,
    url: str,
    queries: int,
    rows: int,
) -> None:
    for number in range(rows):
        zone = world.make_zone(f"z{number}.test.")
        world.add("www", "192.0.2.1", "192.0.2.2", zone=zone.name)
        delivery.drain(zone.pk)
    with django_assert_num_queries(queries):
        answer = admin_client.get(f"{ADMIN}{url}/")
    assert len(answer.context["cl"].result_list) == rows


@pytest.mark.parametrize("url", ["rrset", "change", "lane", "batch"])
def test_what_the_services_write_is_read_only(
    admin_client: Client, zone: Zone, url: str
) -> None:
    world.add("www", "192.0.2.1")
    delivery.drain(zone.pk)
    model = {"rrset": RRset, "change": Change, "lane": Lane, "batch": Batch}[url]
    row: Any = model._default_manager.get()
    before = model._default_manager.values().get()
    at = f"{ADMIN}{url}/"
    assert admin_client.get(f"{at}{row.pk}/change/").status_code == 200
    for page in ("add/", f"{row.pk}/change/", f"{row.pk}/delete/"):
        assert admin_client.post(at + page, {"post": "yes"}).status_code == 403
    assert model._default_manager.values().get() == before


# --- lanes ----------------------------------------------------------------------


def wait_until_tomorrow(zone: Zone) -> None:
    """Let the lane wait out a long back-off."""
    later = NOON.replace(year=2036)
    Lane.objects.filter(zone=zone).update(
        state="unavailable", failures=3, not_before=later, last_error="unreachable"
    )


def try_now(client: Client, zone: Zone) -> Any:
    """Choose the action on a lane."""
    chosen = {"action": "try_now", "_selected_action": [zone.pk]}
    return client.post(f"{ADMIN}lane/", chosen)


def test_the_lane_says_what_it_waits_for(admin_client: Client, zone: Zone) -> None:
    world.add("www", "192.0.2.1")
    wait_until_tomorrow(zone)
    with clock.fixed(NOON):
        text = admin_client.get(f"{ADMIN}lane/").content.decode()
    for shown in ("unavailable</span>", "in 3653 d 0 h", "unreachable"):
        assert shown in text
    assert '<td class="field-pending">1</td>' in text


def test_a_lane_is_tried_now(admin_client: Client, zone: Zone, broker: Broker) -> None:
    wait_until_tomorrow(zone)
    answer = try_now(admin_client, zone)
    assert said(answer) == [("success", "example.test.: woken")]
    assert Lane.objects.get().not_before is None
    assert broker.sent == [(wake.DELIVER, zone.pk)]


def test_a_lane_is_due_even_without_the_broker(
    admin_client: Client, zone: Zone, broker: Broker
) -> None:
    wait_until_tomorrow(zone)
    broker.go_down()
    ((level, text),) = said(try_now(admin_client, zone))
    assert level == "warning"
    assert "the sweep takes it" in text
    assert Lane.objects.get().not_before is None


def test_trying_now_needs_the_permission_to_change(
    client: Client, zone: Zone, broker: Broker
) -> None:
    staff(client, "view_lane")
    wait_until_tomorrow(zone)
    try_now(client, zone)
    assert Lane.objects.get().not_before is not None
    assert broker.sent == []


def test_a_batch_says_what_was_sent(admin_client: Client, zone: Zone) -> None:
    world.add("www", "192.0.2.1")
    delivery.drain(zone.pk)
    text = admin_client.get(f"{ADMIN}batch/").content.decode()
    assert ">1.1</a>" in text
    assert "applied</span>" in text
    assert "NOERROR" in text
