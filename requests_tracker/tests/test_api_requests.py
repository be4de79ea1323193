"""/api/vN/requests/: the tracker is read."""

from __future__ import annotations

from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest
from rest_framework.test import APIClient

from dns_records.models import Zone
from dns_records.tests import world
from dns_records.tests.callers import (
    BATCH,
    CHANGESETS,
    RECORDS,
    caller,
    change,
    changeset,
    deliver,
    record,
)
from dnsorch import clock
from requests_tracker.models import Request, Step
from requests_tracker.services import timeline
from requests_tracker.services.timeline import Entry
from requests_tracker.tests.factories import NOON, RequestFactory

V1, V2 = "/api/v1/requests/", "/api/v2/requests/"


@pytest.fixture
def zone(db: None) -> Zone:
    """A zone that nobody is asked about afterwards."""
    return world.make_zone()


@pytest.fixture
def api(zone: Zone) -> APIClient:
    """A client that may do all, with the zone there."""
    return caller()


def found(api: APIClient, url: str = V2, **query: str) -> list[str]:
    """Return the ids of the requests that a list shows."""
    answer = api.get(url, query)
    assert answer.status_code == 200, answer.json()
    return [each["id"] for each in answer.json()["results"]]


def ids(*requests: Request) -> list[str]:
    """Return the ids of requests as a list shows them: newest first."""
    return sorted((str(each.pk) for each in requests), reverse=True)


def test_v1_shows_a_record(api: APIClient, zone: Zone) -> None:
    answer = api.post(RECORDS, record(ttl=60, comment="x"))
    row = Request.objects.get()
    shown = api.get(answer.headers["Location"]).json()
    events = shown.pop("events")
    assert shown == {
        "id": str(row.pk),
        "status": "queued",
        "source": "rest",
        "api_version": "v1",
        "action": "create",
        "requester": "team-web",
        "on_behalf_of": None,
        "zone": "example.test.",
        "name": "www.example.test.",
        "type": "A",
        "value": "192.0.2.1",
        "ttl": 60,
        "comment": "x",
        "idempotency_key": None,
        "correlation_id": row.correlation_id,
        "received_at": clock.iso(row.received_at),
        "completed_at": None,
        "attempts": 0,
        "next_attempt_at": None,
        "error": None,
        "retry_of": None,
        "part_of": None,
        "links": {"self": f"/api/v1/requests/{row.pk}/"},
    }
    assert [each["step"] for each in events] == [
        *("received", "validated", "stored", "enqueued"),
    ]
    assert api.get(V1).json()["results"] == [{**shown, "events": events}]
    deliver(zone)
    done = api.get(answer.headers["Location"]).json()
    assert (done["status"], done["attempts"]) == ("completed", 1)
    assert done["completed_at"] >= done["received_at"]


def test_v2_shows_the_changes_and_when_servers_had_them(
    api: APIClient, zone: Zone
) -> None:
    answer = api.post(CHANGESETS, changeset(change("add", "www", "192.0.2.1")))
    deliver(zone)
    shown = api.get(answer.headers["Location"]).json()
    (done,) = shown["changes"]
    assert (shown["status"], done["status"]) == ("completed", "verified")
    assert done["applied_at"].endswith("Z")
    numbers = [each["sequence"] for each in shown["events"]]
    assert numbers == list(range(1, len(numbers) + 1))
    assert api.get(V2).json()["results"] == [shown]


def test_every_version_shows_the_requests_of_the_others(api: APIClient) -> None:
    one = api.post(RECORDS, record()).headers["X-Tracker-Request"]
    many = changeset(change("add", "a", "192.0.2.1"), change("add", "b", "192.0.2.1"))
    two = api.post(CHANGESETS, many).headers["X-Tracker-Request"]
    assert found(api, V1) == found(api, V2) == [two, one]
    old = api.get(f"{V1}{two}/").json()
    assert "changes" not in old
    assert [old[field] for field in ("name", "type", "value", "ttl")] == [None] * 4
    new = api.get(f"{V2}{one}/").json()
    assert [each["action"] for each in new["changes"]] == ["add"]
    assert "name" not in new


def test_a_rejection_is_shown_with_its_reason(api: APIClient) -> None:
    refused = api.post(RECORDS, record(value="x"))
    for url in (V1, V2):
        shown = api.get(f"{url}{refused.json()['request_id']}/").json()
        assert shown["status"] == "rejected"
        assert shown["error"] == {
            "code": "invalid_rdata",
            "detail": refused.json()["detail"],
            "errors": refused.json()["errors"],
        }
        assert [each["step"] for each in shown["events"]] == ["received", "rejected"]


def test_the_filters(api: APIClient) -> None:
    web = RequestFactory.create(
        name="www.example.test.", correlation_id="c-1", idempotency_key="k-1"
    )
    mail = RequestFactory.create(
        requester="team-mail",
        zone="mail.test.",
        source="kafka",
        status="rejected",
        completed_at=NOON,
        received_at=NOON + timedelta(hours=1),
    )
    for url in (V1, V2):
        assert found(api, url) == ids(web, mail)
        assert found(api, url, status="rejected") == ids(mail)
        assert found(api, url, status="failed") == []
        assert found(api, url, source="kafka") == ids(mail)
        assert found(api, url, zone="MAIL.test") == ids(mail)
        assert found(api, url, name="WWW.example.test") == ids(web)
        # From a moment on, and before it.
        assert found(api, url, since="2026-11-22T13:00:00Z") == ids(mail)
        assert found(api, url, until="2026-11-22T13:00:00Z") == ids(web)
        assert found(api, url, since="2026-11-22T13:00:00+01:00") == ids(web, mail)
        assert found(api, url, source="rest", zone="mail.test") == []
    assert found(api, requester="team-mail") == ids(mail)
    assert found(api, correlation_id="c-1") == ids(web)
    assert found(api, idempotency_key="k-1") == ids(web)
    assert found(api, idempotency_key="K-1") == []


def test_a_name_is_found_within_change_sets(api: APIClient) -> None:
    many = changeset(change("add", "a", "192.0.2.1"), change("add", "b", "192.0.2.1"))
    two = api.post(CHANGESETS, many).headers["X-Tracker-Request"]
    one = api.post(RECORDS, record("a.example.test.", value="192.0.2.2"))
    assert found(api, name="a.example.test") == [one.json()["request_id"], two]
    assert found(api, V1, name="b.example.test.") == [two]


@pytest.mark.parametrize(
    "query",
    [
        {"status": "done"},
        {"status": ""},
        {"source": "mail"},
        {"zone": "a..b"},
        {"name": "a..b"},
        {"since": "yesterday"},
        {"since": ""},
        {"until": "2026-13-01T00:00:00Z"},
        {"until": "9999-12-31T23:59:59-14:00"},
        {"since": "0001-01-01T00:00:00+14:00"},
        {"colour": "red"},
        {"limit": "0"},
        {"limit": "1001"},
        {"cursor": "x"},
    ],
)
def test_a_wrong_filter_is_400(api: APIClient, query: dict[str, str]) -> None:
    for url in (V1, V2):
        answer = api.get(url, query)
        assert answer.status_code == 400, answer.json()
        assert answer.headers["Content-Type"] == "application/problem+json"


@pytest.mark.parametrize("name", ["requester", "correlation_id", "idempotency_key"])
def test_v1_has_fewer_filters(api: APIClient, name: str) -> None:
    assert api.get(V1, {name: "x"}).status_code == 400
    assert found(api, **{name: "x"}) == []


def test_who_sees_what(api: APIClient) -> None:
    """A token sees the requests of its zones and all its own."""
    mine = RequestFactory.create(requester="team-mail", zone="example.test.")
    in_zone = RequestFactory.create(zone="mail.test.")
    nowhere = RequestFactory.create(requester="team-mail", zone="", status="queued")
    hidden = RequestFactory.create()
    limited = caller("team-mail", zones=["mail.test."])
    reader = caller("auditor", zones=["mail.test."], read_only=True)
    assert found(limited) == ids(mine, in_zone, nowhere)
    assert found(reader) == ids(in_zone)
    assert found(api) == ids(mine, in_zone, nowhere, hidden)
    for url in (V1, V2):
        assert limited.get(f"{url}{mine.pk}/").status_code == 200
        answer = limited.get(f"{url}{hidden.pk}/")
        assert (answer.status_code, answer.json()["code"]) == (404, "not_found")
        assert "request_id" not in answer.json()
    assert limited.get(f"{V2}{hidden.pk}/events/").status_code == 404
    assert reader.get(f"{V2}{mine.pk}/").status_code == 404


def test_what_does_not_exist_is_404(api: APIClient) -> None:
    for url in (f"{V1}{uuid4()}/", f"{V2}{uuid4()}/", f"{V2}{uuid4()}/events/"):
        assert api.get(url).json()["code"] == "not_found"
    assert api.get(f"{V1}{uuid4()}/events/").status_code == 404


def pages(api: APIClient, url: str) -> list[dict[str, Any]]:
    """Follow a list to its end."""
    bodies = []
    while url:
        bodies.append(api.get(url).json())
        url = bodies[-1]["next"]
    return bodies


def test_pages_forward_and_back(api: APIClient) -> None:
    rows = [RequestFactory.create() for _ in range(5)]
    newest_first = ids(*rows)
    for url in (V1, V2):
        bodies = pages(api, f"{url}?limit=2&zone=example.test")
        shown = [[each["id"] for each in body["results"]] for body in bodies]
        assert shown == [newest_first[:2], newest_first[2:4], newest_first[4:]]
        assert bodies[0]["previous"] is None
        middle = api.get(bodies[2]["previous"]).json()
        assert middle["results"] == bodies[1]["results"]
        assert api.get(middle["previous"]).json()["results"] == bodies[0]["results"]


def test_a_page_neither_repeats_nor_skips_what_comes_meanwhile(api: APIClient) -> None:
    rows = [RequestFactory.create() for _ in range(3)]
    first = api.get(f"{V2}?limit=2").json()
    RequestFactory.create()
    second = api.get(first["next"]).json()
    shown = [each["id"] for body in (first, second) for each in body["results"]]
    assert shown == ids(*rows)


def test_fifty_by_default(api: APIClient) -> None:
    Request.objects.bulk_create(RequestFactory.build_batch(51))
    body = api.get(V2).json()
    assert len(body["results"]) == 50
    assert len(api.get(body["next"]).json()["results"]) == 1
    assert len(found(api, limit="1000")) == 51


def test_the_timeline_in_pages(api: APIClient) -> None:
    row = RequestFactory.create()
    other = RequestFactory.create()
    for number in range(5):
        entry = Entry(Step.SENT, f"try {number}", "warning", {"number": number})
        timeline.append([row.pk, other.pk], entry)
    bodies = pages(api, f"{V2}{row.pk}/events/?limit=2")
    events = [each for body in bodies for each in body["results"]]
    assert [each["sequence"] for each in events] == [1, 2, 3, 4, 5]
    assert [len(body["results"]) for body in bodies] == [2, 2, 1]
    assert api.get(bodies[1]["previous"]).json()["results"] == events[:2]
    assert events[1] == {
        "sequence": 2,
        "at": events[1]["at"],
        "step": "sent",
        "level": "warning",
        "message": "try 1",
        "data": {"number": 1},
    }
    assert api.get(f"{V2}{row.pk}/").json()["events"] == events


def test_items_of_a_batch_are_requests_like_others(api: APIClient) -> None:
    items = [{"record": {"action": "create", **record()}, "idempotency_key": "k"}]
    (result,) = api.post(BATCH, {"items": items}).json()["results"]
    assert found(api, idempotency_key="k") == [result["body"]["request_id"]]
    assert api.get(result["body"]["links"]["request"]).json()["action"] == "create"
