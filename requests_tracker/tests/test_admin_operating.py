"""Cancel and retry in the admin: what they do, say, and refuse."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest
from django.contrib.auth.models import User
from django.test import Client
from pytest_django import DjangoCaptureOnCommitCallbacks

from dns_records.models import Zone
from dns_records.services import wake
from dns_records.tests import world
from requests_tracker.models import Request
from requests_tracker.services import lifecycle
from requests_tracker.status import Status
from requests_tracker.tests.admin import FINAL, URL, fail, page, said, staff
from requests_tracker.tests.factories import NOON, RequestFactory

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def woken(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, int]]:
    """What would be published; there is no broker."""
    published: list[tuple[str, int]] = []

    def publish(task: str, zone_id: int) -> bool:
        published.append((task, zone_id))
        return True

    monkeypatch.setattr(wake, "publish", publish)
    return published


@pytest.fixture
def zone() -> Zone:
    """A zone that nobody is asked about."""
    return world.make_zone()


def press(client: Client, request: Request, name: str, **options: Any) -> Any:
    """Press a button of a request's page."""
    return client.post(f"{URL}{request.pk}/{name}/", **options)


def test_cancel(admin_client: Client, zone: Zone) -> None:
    request = world.add("www", "192.0.2.1")
    answer = press(admin_client, request, "cancel")
    assert answer.headers["Location"] == page(request)
    short = str(request.pk)[:13]
    assert said(answer) == [
        ("success", f"{short} (change set www.example.test. A): cancelled")
    ]
    assert world.fresh(request).status == Status.CANCELLED
    assert request.events.latest("sequence").message == "cancelled by user:admin"
    assert world.wanted(zone) == {}


def test_cancel_says_why_not(admin_client: Client, zone: Zone) -> None:
    request = world.add("www", "192.0.2.1")
    lifecycle.move([request.pk], Status.PROVISIONING, [])
    answer = press(admin_client, request, "cancel")
    ((level, text),) = said(answer)
    assert level == "error"
    assert text.endswith("a request that is provisioning cannot be cancelled")
    assert world.fresh(request).status == Status.PROVISIONING


def test_retry_sends_a_queued_request_now(
    admin_client: Client,
    zone: Zone,
    woken: list[tuple[str, int]],
    django_capture_on_commit_callbacks: DjangoCaptureOnCommitCallbacks,
) -> None:
    request = world.add("www", "192.0.2.1")
    later = NOON + timedelta(days=1)
    Request.objects.filter(pk=request.pk).update(next_attempt_at=later)
    with django_capture_on_commit_callbacks(execute=True):
        answer = press(admin_client, request, "retry")
    ((level, text),) = said(answer)
    assert (level, text[-15:]) == ("success", "tried again now")
    assert world.fresh(request).next_attempt_at is None
    assert woken == [(wake.DELIVER, zone.pk)]


def test_retry_asks_again_for_what_failed(admin_client: Client, zone: Zone) -> None:
    request = world.add("www", "192.0.2.1")
    fail(request)
    answer = press(admin_client, request, "retry")
    made = Request.objects.get(retry_of=request)
    assert answer.headers["Location"] == page(made)
    assert (made.status, made.requester, made.source) == (
        Status.QUEUED,
        "user:admin",
        "admin",
    )
    assert said(answer)[0][1].endswith(f"asked for again as {made.pk}")


def test_retry_that_is_rejected_says_why_and_where(
    admin_client: Client, zone: Zone
) -> None:
    request = world.post(world.draft("create", "www", "A", "192.0.2.1"))
    fail(request)
    answer = press(admin_client, request, "retry")
    made = Request.objects.get(retry_of=request)
    assert made.status == Status.REJECTED
    ((level, text),) = said(answer)
    assert level == "error"
    assert "asked for again and rejected: " in text
    assert text.endswith(f" as {made.pk}")


def test_retry_says_why_not(admin_client: Client, zone: Zone) -> None:
    request = RequestFactory.create(status=Status.COMPLETED, **FINAL)
    ((level, text),) = said(press(admin_client, request, "retry"))
    assert level == "error"
    assert "a request that is completed cannot be retried" in text
    assert Request.objects.count() == 1


def test_the_actions_speak_of_each_request(admin_client: Client, zone: Zone) -> None:
    first, second = world.add("a", "192.0.2.1"), world.add("b", "192.0.2.1")
    done = RequestFactory.create(status=Status.COMPLETED, **FINAL)
    answer = admin_client.post(
        URL,
        {"action": "cancel", "_selected_action": [done.pk, second.pk, first.pk]},
    )
    assert answer.status_code == 302
    assert [(level, text.rpartition(": ")[2]) for level, text in said(answer)] == [
        ("success", "cancelled"),
        ("success", "cancelled"),
        ("error", "a request that is completed cannot be cancelled"),
    ]
    assert world.states([first, second, done]) == ["cancelled"] * 2 + ["completed"]


def test_an_action_on_too_many_does_nothing(
    admin_client: Client, zone: Zone, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("requests_tracker.admin.requests.MOST_AT_ONCE", 1)
    both = [world.add("a", "192.0.2.1"), world.add("b", "192.0.2.1")]
    answer = admin_client.post(
        URL, {"action": "cancel", "_selected_action": [each.pk for each in both]}
    )
    assert said(answer) == [
        ("error", "Nothing was done: select at most 1 requests at once.")
    ]
    assert world.states(both) == ["queued", "queued"]


@pytest.mark.parametrize("name", ["cancel", "retry"])
def test_buttons_work_by_post_alone(
    admin_client: Client, zone: Zone, name: str
) -> None:
    request = world.add("www", "192.0.2.1")
    answer = admin_client.get(f"{URL}{request.pk}/{name}/")
    assert (answer.status_code, answer.headers["Allow"]) == (405, "POST")
    assert world.fresh(request).status == Status.QUEUED


def test_buttons_need_the_csrf_token(admin_user: User, zone: Zone) -> None:
    client = Client(enforce_csrf_checks=True)
    client.force_login(admin_user)
    request = world.add("www", "192.0.2.1")
    assert press(client, request, "cancel").status_code == 403
    assert world.fresh(request).status == Status.QUEUED
    text = client.get(page(request)).content.decode()
    (token,) = set(re.findall('name="csrfmiddlewaretoken" value="(.+?)"', text)[-1:])
    answer = press(client, request, "cancel", data={"csrfmiddlewaretoken": token})
    assert answer.status_code == 302
    assert world.fresh(request).status == Status.CANCELLED


@pytest.mark.parametrize(
    ("codename", "code", "after"),
    [("view_request", 403, "queued"), ("change_request", 302, "cancelled")],
)
def test_operating_needs_the_permission_to_change(
    client: Client, zone: Zone, codename: str, code: int, after: str
) -> None:
    staff(client, codename)
    request = world.add("www", "192.0.2.1")
    seen = client.get(page(request)).content.decode()
    assert (">Cancel<" in seen) is (code == 302)
    assert ('value="cancel"' in client.get(URL).content.decode()) is (code == 302)
    assert press(client, request, "cancel").status_code == code
    assert world.fresh(request).status == after


def test_a_request_that_is_not_there(admin_client: Client) -> None:
    gone = Request(id=UUID(int=1))
    assert press(admin_client, gone, "cancel").status_code == 404
