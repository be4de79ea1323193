"""The page of a request in the admin: what it tells, and that nothing is edited."""

from __future__ import annotations

import html
import re

import pytest
from django.test import Client
from pytest_django import DjangoAssertNumQueries

from dns_records.models import Change, Zone
from dns_records.services.parts import ManyZones, Whole
from dns_records.tests import world
from requests_tracker.models import Request, RequestEvent, Step
from requests_tracker.services import timeline
from requests_tracker.services.timeline import Entry
from requests_tracker.status import Status
from requests_tracker.tests.admin import URL, fail, page, staff
from requests_tracker.tests.factories import NOON, RequestFactory

pytestmark = pytest.mark.django_db


@pytest.fixture
def zone() -> Zone:
    """A zone that nobody is asked about."""
    return world.make_zone()


def test_the_page_tells_the_whole_story(admin_client: Client, zone: Zone) -> None:
    first = world.add("www", "192.0.2.1")
    fail(first)
    second = world.add("www", "192.0.2.2")
    Request.objects.filter(pk=second.pk).update(retry_of=first)
    change = Change.objects.get(request=second)
    Change.objects.filter(pk=change.pk).update(
        status="verified",
        applied_at=NOON,
        nameservers=[
            {
                "address": "192.0.2.53:53",
                "seen_at": "2026-11-22T12:00:00.250000+00:00",
                "serial": 2026112204,
            }
        ],
    )
    text = admin_client.get(page(second)).content.decode()
    for shown in (
        "waits to be sent",
        f'<a href="{page(first)}">{first.pk}</a>',
        f'<a href="/admin/dns_records/zone/{zone.pk}/change/">example.test.</a>',
        f'<a href="/admin/dns_records/lane/{zone.pk}/change/">lane</a>',
        "300  192.0.2.1",
        "<ins>300  192.0.2.2</ins>",
        '<span title="250 ms after it was applied">12:00:00.250</span>',
        "serial 2026112204",
        "waits in the lane of example.test.",
        "<summary>show</summary>",
    ):
        assert shown in text
    assert (
        f'<a href="{page(second)}">' in admin_client.get(page(first)).content.decode()
    )


def test_the_page_of_a_failure_gives_the_reason_in_words(
    admin_client: Client, zone: Zone
) -> None:
    request = world.add("www", "192.0.2.1")
    fail(request)
    text = admin_client.get(page(request)).content.decode()
    assert "the server refused <code>refused_by_server</code>" in text
    assert "Retry as a new request" in text
    assert ">Cancel<" not in text


def test_the_page_names_the_servers_that_do_not_answer_yet(
    admin_client: Client,
) -> None:
    zone = world.make_zone(nameservers=["192.0.2.53:53"], verify_policy="all")
    request = world.add("www", "192.0.2.1")
    Change.objects.filter(request=request).update(status="applied")
    zone.lane.state, zone.lane.last_error = "misconfigured", "tsig: the key is refused"
    zone.lane.save()
    text = admin_client.get(page(request)).content.decode()
    assert "192.0.2.53:53 <em>not seen</em>" in text
    assert "is misconfigured: tsig: the key is refused" in text


def test_the_page_of_a_request_with_parts(admin_client: Client, zone: Zone) -> None:
    world.make_zone("other.test.")
    drafts = [
        world.draft("add", "www.other.test", "A", "192.0.2.1"),
        world.draft("add", "www.example.test", "A", "192.0.2.1"),
    ]
    world.submit(Whole(ManyZones(drafts)))
    whole = Request.objects.get(part_of=None)
    text = admin_client.get(page(whole)).content.decode()
    for part in whole.parts.all():
        assert f'<dt>part</dt><dd><a href="{page(part)}">{part.zone}</a>' in text
        shown = admin_client.get(page(part)).content.decode()
        assert f'<dt>part of</dt><dd><a href="{page(whole)}">' in shown
    assert "Retry as a new request" not in text and ">Cancel<" in text
    admin_client.post(f"{page(whole).removesuffix('change/')}cancel/")
    whole.refresh_from_db()
    assert (whole.status, list(whole.parts.values_list("status", flat=True))) == (
        "cancelled",
        ["cancelled", "cancelled"],
    )


@pytest.mark.parametrize("count", [1, 30])
def test_the_page_asks_the_same_few_questions_for_any_number_of_changes(
    admin_client: Client,
    zone: Zone,
    django_assert_num_queries: DjangoAssertNumQueries,
    count: int,
) -> None:
    request = world.post(
        *(world.draft("add", f"h{n}", "A", "192.0.2.1") for n in range(count))
    )
    # session, user, request, events, zone with lane, changes, retries, parts
    with django_assert_num_queries(7):
        admin_client.get(page(request))


def test_a_long_timeline_is_cut_at_its_beginning(
    admin_client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("requests_tracker.admin.detail.EVENTS", 2)
    request = RequestFactory.create(zone="")
    for number in range(5):
        timeline.append([request.pk], Entry(Step.REPLAYED, f"nr {number}"))
    text = admin_client.get(page(request)).content.decode()
    assert "The first 3 steps are left out." in text
    assert re.findall(r"<td>(nr \d)</td>", text) == ["nr 3", "nr 4"]


def test_what_clients_write_is_escaped(admin_client: Client, zone: Zone) -> None:
    evil = "<script>alert(1)</script>"
    request = world.post(world.draft("add", "www", "TXT", f'"{evil}"'))
    Request.objects.filter(pk=request.pk).update(
        comment=evil,
        requester=evil,
        idempotency_key=evil,
        status=Status.FAILED,
        completed_at=NOON,
        error={
            "code": "x",
            "detail": evil,
            "errors": [{"pointer": evil, "code": evil, "detail": evil}] * 2,
        },
        error_code=evil[:50],
    )
    timeline.append([request.pk], Entry(Step.REPLAYED, evil, data={evil: [evil]}))
    change = Change.objects.get(request=request)
    pages = [
        URL,
        f"{URL}?q=%3Cscript%3Ealert(1)%3C/script%3E&zone=%22%3E%3Cscript%3Ealert(1)",
        page(request),
        "/admin/dns_records/rrset/",
        f"/admin/dns_records/rrset/{change.rrset_id}/change/",
        "/admin/dns_records/change/",
        f"/admin/dns_records/change/{change.pk}/change/",
    ]
    for url in pages:
        text = admin_client.get(url).content.decode()
        assert "<script>alert" not in text, url
    assert html.escape(evil) in admin_client.get(page(request)).content.decode()
    answer = admin_client.post(f"{URL}{request.pk}/cancel/", follow=True)
    assert "<script>alert" not in answer.content.decode()


@pytest.mark.parametrize("what", ["add/", "{id}/change/", "{id}/delete/"])
def test_nobody_edits_a_request(admin_client: Client, what: str) -> None:
    request = RequestFactory.create()
    before = Request.objects.values().get()
    url = URL + what.format(id=request.pk)
    assert (
        admin_client.post(url, {"status": "completed", "post": "yes"}).status_code
        == 403
    )
    assert Request.objects.values().get() == before


def test_the_selection_cannot_be_deleted(admin_client: Client) -> None:
    request = RequestFactory.create()
    answer = admin_client.post(
        URL,
        {"action": "delete_selected", "_selected_action": [request.pk], "post": "yes"},
    )
    assert answer.status_code == 302
    assert Request.objects.count() == 1
    assert RequestEvent.objects.count() == 0


def test_whoever_may_not_look_sees_nothing(client: Client) -> None:
    staff(client)
    request = RequestFactory.create()
    assert client.get(URL).status_code == 403
    assert client.get(page(request)).status_code == 403
