"""Change sets with ``not_before``: judged at receipt, planned when due, each once."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.conf import settings
from django.test import Client
from rest_framework.test import APIClient

from dns_records import metrics as lane_metrics
from dns_records.models import Zone
from dns_records.services import changes, delivery, schedules
from dns_records.services.sweep import Sweeper
from dns_records.tests import world
from dns_records.tests.callers import (
    BATCH,
    RECORDS,
    ZONES,
    accepted,
    assert_rejected,
    caller,
    change,
    changeset,
    deliver,
    image,
    pointers,
    post,
    record,
    warnings,
)
from dns_records.tests.conftest import Broker
from dns_records.tests.lives import ahead, at_once, let_it_be_due
from dnsorch import clock
from dnsorch.tokens.models import ApiToken
from requests_tracker import metrics
from requests_tracker.models import OutboxEvent, Request
from requests_tracker.tests.factories import steps

A1, A2 = "192.0.2.1", "192.0.2.2"
WWW_A = ("www.example.test.", "A")


def row(body: dict[str, Any]) -> Request:
    """Return a request as it is now."""
    return Request.objects.get(pk=body["id"])


def test_it_waits_for_its_time_and_says_so(api: APIClient, zone: Zone) -> None:
    when = clock.now() + timedelta(days=3)
    body = accepted(
        api, change("add", "www", A1.upper(), ttl=60), not_before=when.isoformat()
    )
    assert (body["status"], body["not_before"]) == ("scheduled", clock.iso(when))
    assert body["changes"] == []
    assert body["scheduled"] == [
        {
            "name": "www.example.test.",
            "type": "A",
            "action": "add",
            "ttl": 60,
            "records": [A1],
        }
    ]
    assert steps(row(body)) == ["received", "validated", "scheduled"]
    last = body["events"][-1]
    assert last["message"] == (
        f"planned and sent at {when:%Y-%m-%d %H:%M:%S} UTC, not before"
    )
    assert last["data"] == {"not_before": clock.iso(when)}
    assert (schedules.open_due(), world.wanted(zone)) == (0, {})
    listed = api.get("/api/v2/requests/", {"status": "scheduled"}).json()["results"]
    assert [each["id"] for each in listed] == [body["id"]]


def test_when_it_is_due_it_is_planned_sent_and_done(
    api: APIClient, zone: Zone, broker: Broker
) -> None:
    body = accepted(api, change("add", "www", A1), not_before=ahead(hours=1))
    let_it_be_due()
    broker.go_down()
    Sweeper().once()
    shown = api.get(f"/api/v2/requests/{body['id']}/").json()
    assert (shown["status"], shown["changes"][0]["after"]) == ("completed", image(A1))
    assert steps(row(body))[2:7] == [
        "scheduled",
        "validated",
        "stored",
        "enqueued",
        "sent",
    ]
    assert world.served(zone) == world.wanted(zone) == {WWW_A: (300, (A1,))}
    assert schedules.open_due() == 0


def test_each_of_its_names_finds_it(
    api: APIClient, admin_client: Client, zone: Zone
) -> None:
    several = change("add", "www", A1), change("add", "ftp", A1)
    body = accepted(api, *several, not_before=ahead(hours=1))
    alias = change("add", "web", "www.example.test.", type="CNAME")
    accepted(api, alias, change("add", "mail", A1), not_before=ahead(hours=1))
    for name in ("www.example.test.", "ftp.example.test"):
        listed = api.get("/api/v2/requests/", {"name": name}).json()["results"]
        assert [each["id"] for each in listed] == [body["id"]]
        page = admin_client.get("/admin/requests_tracker/request/", {"q": name})
        assert list(page.context["cl"].queryset) == [row(body)]
    nobody = api.get("/api/v2/requests/", {"name": "ww.example.test."}).json()
    assert nobody["results"] == []


def test_a_time_that_is_past_means_now(api: APIClient) -> None:
    body = accepted(api, change("add", "www", A1), not_before=ahead(seconds=-1))
    assert (body["status"], body["not_before"], body["scheduled"]) == (
        "queued",
        None,
        None,
    )


def test_its_deadline_counts_from_then_and_nothing_is_overdue_before(
    api: APIClient,
) -> None:
    body = accepted(api, change("add", "www", A1), not_before=ahead(days=10))
    request = row(body)
    assert request.not_before and request.deadline_at
    patience = timedelta(seconds=settings.DNSORCH_REQUEST_DEADLINE_S)
    assert request.deadline_at == request.not_before + patience
    for days, stuck in ((0, 0), (10, 0), (11.1, 1)):
        at = clock.now() + timedelta(days=days)
        assert metrics.overdue(at).count() == stuck


def test_one_that_waited_long_has_not_waited_in_its_lane(
    api: APIClient, zone: Zone
) -> None:
    accepted(api, change("add", "www", A1), not_before=ahead(days=1))
    long_ago = clock.now() - timedelta(days=90)
    Request.objects.update(received_at=long_ago)
    let_it_be_due(by=5)
    schedules.open_due()
    (family,) = (f for f in lane_metrics.read() if f.name.endswith("oldest_seconds"))
    (sample,) = family.samples
    assert 5 <= sample.value < 60


@pytest.mark.parametrize(
    ("wrong", "found"),
    [
        ({"not_before": "soon"}, [("/not_before", "invalid")]),
        ({"not_before": 1}, [("/not_before", "invalid_type")]),
        ({"not_before": "2030-01-01T00:00:00"}, [("/not_before", "no_offset")]),
        (
            {"not_before": "9999-12-31T23:59:59-10:00"},
            [("/not_before", "overflow")],
        ),
    ],
)
def test_a_time_is_rfc_3339_with_its_offset(
    api: APIClient, wrong: dict[str, Any], found: list[tuple[str, str]]
) -> None:
    answer = post(api, change("add", "www", A1), **wrong)
    assert_rejected(answer, 400, "invalid")
    assert pointers(answer) == found


def test_not_more_than_so_many_days_ahead(api: APIClient, settings: Any) -> None:
    settings.DNSORCH_MAX_SCHEDULE_DAYS = 7
    answer = post(api, change("add", "www", A1), not_before=ahead(days=7, minutes=1))
    assert_rejected(answer, 400, "too_far_ahead")
    assert pointers(answer) == [("/not_before", "too_far_ahead")]
    accepted(api, change("add", "www", A1), not_before=ahead(days=6.9))


@pytest.mark.parametrize(
    ("wrong", "status", "code"),
    [
        (change("add", "www", "192.0.2.300"), 400, "invalid_rdata"),
        (change("add", "other.test.", A1), 400, "out_of_zone"),
        (change("add", "www", "a.test.", "b.test.", type="CNAME"), 400, None),
        (change("add", "www", A1, expires_at=ahead(minutes=5)), 400, None),
    ],
)
def test_what_is_wrong_by_itself_is_refused_at_once(
    api: APIClient, zone: Zone, wrong: dict[str, Any], status: int, code: str | None
) -> None:
    answer = post(api, wrong, not_before=ahead(hours=1))
    assert_rejected(answer, status, answer.json()["code"])
    assert code is None or answer.json()["code"] == code
    assert answer.json()["errors"][0]["pointer"].startswith("/changes/0")
    assert not Request.objects.filter(status="scheduled").exists()


def test_what_it_contradicts_itself_in_is_refused_at_once(api: APIClient) -> None:
    both = change("create", "www", A1), change("delete", "www")
    answer = post(api, *both, not_before=ahead(hours=1))
    assert_rejected(answer, 400, "invalid")
    assert pointers(answer) == [("/changes/1", "rrset_repeated")]


def test_what_conflicts_when_it_is_due_fails_with_the_reason(
    api: APIClient, zone: Zone
) -> None:
    body = accepted(api, change("create", "www", A1), not_before=ahead(hours=1))
    other = accepted(
        api,
        change("replace", "www", A2, expected={"records": ["192.0.2.9"]}),
        not_before=ahead(hours=1),
    )
    accepted(api, change("add", "www", A2))
    let_it_be_due()
    assert schedules.open_due() == 2
    failed = api.get(f"/api/v2/requests/{body['id']}/").json()
    assert (failed["status"], failed["error"]["code"]) == ("failed", "rrset_exists")
    assert failed["error"]["errors"][0]["pointer"] == "/changes/0"
    assert row(other).error_code == "precondition_failed"
    assert world.wanted(zone) == {WWW_A: (300, (A2,))}
    outcome = OutboxEvent.objects.get(request=body["id"])
    assert (outcome.type, outcome.event_seq is None) == ("failed", False)


def test_a_failed_one_can_be_asked_for_again(api: APIClient, zone: Zone) -> None:
    body = accepted(api, change("create", "www", A1), not_before=ahead(hours=1))
    accepted(api, change("add", "www", A2))
    let_it_be_due()
    schedules.open_due()
    accepted(api, change("delete", "www"))
    answer = api.post(f"/api/v2/requests/{body['id']}/retry/")
    assert (answer.status_code, answer.json()["retry_of"]) == (202, body["id"])
    assert world.wanted(zone) == {WWW_A: (300, (A1,))}


def test_due_ones_are_opened_in_the_order_of_their_times(
    api: APIClient, zone: Zone
) -> None:
    last = accepted(api, change("add", "www", "192.0.2.3"), not_before=ahead(hours=2))
    first = accepted(api, change("create", "www", A1), not_before=ahead(hours=1))
    same = accepted(api, change("replace", "www", A2), not_before=ahead(hours=1))
    let_it_be_due()
    assert row(first).not_before == row(same).not_before  # then by id
    let_it_be_due(last["id"], by=0.5)
    assert schedules.open_due() == 3
    assert world.states() == ["queued"] * 3
    assert world.wanted(zone) == {WWW_A: (300, (A2, "192.0.2.3"))}


def test_trouble_with_one_holds_up_its_zone_alone(
    api: APIClient, zone: Zone, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.make_zone("other.test.")
    bad = accepted(api, change("add", "www", A1), not_before=ahead(hours=1))
    behind = accepted(api, change("add", "ftp", A1), not_before=ahead(hours=1))
    theirs = changeset(change("add", "www", A1), not_before=ahead(hours=1))
    other = api.post("/api/v2/changesets/", theirs | {"zone": "other.test."}).json()
    let_it_be_due()
    write = changes.write

    def broken(request: Request, prepared: Any) -> Any:
        assert str(request.pk) != bad["id"]
        return write(request, prepared)

    with monkeypatch.context() as patch:
        patch.setattr(changes, "write", broken)
        assert schedules.open_due() == 1
    states = [row(each).status for each in (bad, behind, other)]
    assert states == ["scheduled", "scheduled", "queued"]
    assert schedules.open_due() == 2


def test_cancel(api: APIClient, zone: Zone) -> None:
    body = accepted(api, change("add", "www", A1), not_before=ahead(hours=1))
    answer = api.post(f"/api/v2/requests/{body['id']}/cancel/")
    assert (answer.status_code, answer.json()["status"]) == (200, "cancelled")
    again = api.post(f"/api/v2/requests/{body['id']}/cancel/")
    assert again.status_code == 409
    assert (schedules.open_due(), world.wanted(zone)) == (0, {})


def test_retry_means_now(api: APIClient, zone: Zone) -> None:
    body = accepted(api, change("add", "www", A1), not_before=ahead(days=1))
    answer = api.post(f"/api/v2/requests/{body['id']}/retry/")
    assert (answer.status_code, answer.json()["status"]) == (202, "queued")
    request = row(body)
    assert request.deadline_at and request.not_before
    assert request.not_before <= clock.now()
    assert request.deadline_at < clock.now() + timedelta(days=1, minutes=1)
    told = request.events.filter(step="scheduled").latest("sequence")
    assert told.message == "brought forward to now: asked for by team-web"
    deliver(zone)
    assert world.served(zone) == {WWW_A: (300, (A1,))}


def test_dry_run_plans_as_of_now_and_warns(api: APIClient, zone: Zone) -> None:
    answer = api.post(
        "/api/v2/changesets/?dry_run=true",
        changeset(change("add", "www", A1), not_before=ahead(hours=1)),
    )
    assert answer.status_code == 200
    plan = answer.json()
    assert plan["changes"][0]["after"] == image(A1)
    assert [(w["pointer"], w["code"]) for w in plan["warnings"]] == [
        ("/not_before", "planned_again")
    ]
    assert not Request.objects.exists()


def test_what_was_accepted_is_kept_though_its_token_is_revoked(
    api: APIClient, zone: Zone
) -> None:
    accepted(api, change("add", "www", A1), not_before=ahead(hours=1))
    ApiToken.objects.all().delete()
    let_it_be_due()
    assert schedules.open_due() == 1
    assert world.wanted(zone) == {WWW_A: (300, (A1,))}


def test_its_zone_cannot_be_forgotten(api: APIClient) -> None:
    body = accepted(api, change("add", "www", A1), not_before=ahead(hours=1))
    where = f"{ZONES}example.test/?force=true"
    answer = api.delete(where)
    assert (answer.status_code, answer.json()["code"]) == (409, "lane_not_empty")
    api.post(f"/api/v2/requests/{body['id']}/cancel/")
    assert api.delete(where).status_code < 300


def test_a_batch_takes_it_for_change_sets_and_not_for_records(api: APIClient) -> None:
    when = ahead(hours=1)
    items = [
        {"changeset": changeset(change("add", "www", A1), not_before=when)},
        {"record": {"action": "create", **record("ftp.example.test.")}},
        {"record": {"action": "create", **record(), "not_before": when}},
    ]
    results = api.post(BATCH, {"items": items}).json()["results"]
    assert [(r["status"], r["body"]["status"]) for r in results] == [
        (202, "scheduled"),
        (202, "queued"),
        (400, 400),
    ]
    assert api.post(RECORDS, record() | {"not_before": when}).status_code == 400


def test_warnings_are_told_at_receipt(api: APIClient) -> None:
    soon = ahead(hours=1, seconds=10)
    body = accepted(
        api,
        change("add", "www", A1, ttl=3600, expires_at=soon),
        not_before=ahead(hours=1),
    )
    assert warnings(body) == [("/changes/0/expires_at", "expires_before_ttl")]


@pytest.mark.django_db(transaction=True)
def test_two_sweeps_at_once_open_each_once(zone: Zone) -> None:
    api = caller()
    count = 12
    bodies = [
        accepted(
            api,
            change("add", f"w{number % 4}", world.address(number)),
            not_before=ahead(hours=1),
        )
        for number in range(count)
    ]
    let_it_be_due()
    at_once(schedules.open_due)
    for body in bodies:
        assert steps(row(body)).count("enqueued") == 1
        assert row(body).changes.count() == 1
    assert world.states() == ["queued"] * count
    delivery.drain(zone.pk)
    assert world.served(zone) == world.wanted(zone)
    assert sum(len(image[1]) for image in world.wanted(zone).values()) == count
