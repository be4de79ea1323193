"""What waits for its time in the admin: found, looked at, sent now, cancelled."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.test import Client

from dns_records.models import Record, RRset, Zone
from dns_records.services import schedules
from dns_records.services.changes import ChangeSet
from dns_records.tests import world
from dns_records.tests.world import draft, states
from dnsorch import clock
from requests_tracker.models import Request
from requests_tracker.tests.admin import URL, page, said

pytestmark = pytest.mark.django_db


@pytest.fixture
def zone() -> Zone:
    """A zone that nobody is asked about."""
    return world.make_zone()


@pytest.fixture
def scheduled(zone: Zone) -> Request:
    """A change set for tomorrow, received an hour ago."""
    drafts = [draft("add", f"w{number}", "A", "192.0.2.1") for number in range(22)]
    changeset = ChangeSet(zone.name, drafts)
    tomorrow = clock.now() + timedelta(days=1)
    world.submit(schedules.at(changeset, tomorrow))
    Request.objects.update(received_at=clock.now() - timedelta(hours=1))
    return Request.objects.get()


def test_it_is_found_by_its_state_and_is_not_stuck(
    admin_client: Client, scheduled: Request
) -> None:
    world.add("www", "192.0.2.1")
    found = admin_client.get(URL, {"state": "scheduled"}).context["cl"].result_list
    assert [each.pk for each in found] == [scheduled.pk]
    stuck = admin_client.get(URL, {"age": "stuck"}).context["cl"].result_list
    assert list(stuck) == []


def test_its_page_says_what_and_when(admin_client: Client, scheduled: Request) -> None:
    text = admin_client.get(page(scheduled)).content.decode()
    assert "waits for its time" in text
    assert "<div>add w0.example.test. A 192.0.2.1</div>" in text
    assert "<div>and 2 more</div>" in text
    assert "not before" in text


def test_it_can_be_sent_now(admin_client: Client, scheduled: Request) -> None:
    assert "Send now" in admin_client.get(page(scheduled)).content.decode()
    answer = admin_client.post(f"{URL}{scheduled.pk}/retry/")
    ((level, _),) = said(answer)
    assert (level, states()) == ("success", ["queued"])


def test_it_can_be_cancelled(admin_client: Client, scheduled: Request) -> None:
    admin_client.post(f"{URL}{scheduled.pk}/cancel/")
    assert (states(), schedules.open_due()) == (["cancelled"], 0)


def test_a_record_shows_its_end(admin_client: Client, zone: Zone) -> None:
    ends = clock.now().replace(year=2099, month=1, day=2)
    world.post(draft("add", "www", "A", "192.0.2.1", expires_at=ends))
    assert Record.objects.get().expires_at == ends
    row = RRset.objects.get()
    for where in ("", f"{row.pk}/change/"):
        text = admin_client.get(f"/admin/dns_records/rrset/{where}").content.decode()
        assert "(until 2099-01-02 " in text
