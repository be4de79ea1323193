"""/api/v2/zones/{zone}/rrsets/{name}/{type}/history/: who changed an RRset, and how."""

from __future__ import annotations

from typing import Any

import pytest
from rest_framework.test import APIClient

from dns_records.models import Zone
from dns_records.tests import world
from dns_records.tests.callers import (
    BATCH,
    RECORDS,
    WWW,
    ZONES,
    accepted,
    caller,
    change,
    changeset,
    deliver,
    image,
    record,
)
from dnsorch import clock
from dnsorch.tokens.models import Source
from requests_tracker.models import Request

HISTORY = f"{WWW}history/"
A1, A2, A3 = "192.0.2.1", "192.0.2.2", "192.0.2.3"


def history(api: APIClient, url: str = HISTORY) -> list[dict[str, Any]]:
    """Return the results of a page of history."""
    answer = api.get(url)
    assert answer.status_code == 200, answer.json()
    found: list[dict[str, Any]] = answer.json()["results"]
    return found


def test_every_change_newest_first(api: APIClient, zone: Zone) -> None:
    first = accepted(api, change("create", "www", A1), comment="launch")
    deliver(zone)
    second = accepted(api, change("replace", "www", A2, ttl=60))
    newest, oldest = history(api)
    row = Request.objects.get(pk=first["id"])
    assert oldest == {
        "name": "www.example.test.",
        "type": "A",
        "action": "create",
        "before": None,
        "after": image(A1),
        "status": "verified",
        "superseded_by": None,
        "applied_at": oldest["applied_at"],
        "nameservers": [],
        "version": 1,
        "at": clock.iso(row.received_at),
        "request_id": first["id"],
        "request_status": "completed",
        "requester": "team-web",
        "on_behalf_of": None,
        "source": "rest",
        "comment": "launch",
        "links": {"request": f"/api/v2/requests/{first['id']}/"},
    }
    assert newest["request_id"] == second["id"]
    assert (newest["before"], newest["after"]) == (image(A1), image(A2, ttl=60))
    assert (newest["status"], newest["version"]) == ("pending", 2)


def test_whatever_door_it_came_through(api: APIClient, zone: Zone) -> None:
    consumer = caller("team-ci", source=Source.KAFKA)
    body = changeset(change("add", "www", A2))
    item = {"changeset": body, "on_behalf_of": "ci://web/deploy"}
    (result,) = consumer.post(BATCH, {"items": [item]}).json()["results"]
    assert result["status"] == 202
    api.post(RECORDS, record(value=A1))
    by_record, by_kafka = history(api)
    shown = ("requester", "on_behalf_of", "source", "action")
    assert [by_record[each] for each in shown] == ["team-web", None, "rest", "add"]
    assert [by_kafka[each] for each in shown] == [
        "team-ci",
        "ci://web/deploy",
        "kafka",
        "add",
    ]


def test_of_an_rrset_that_is_gone(api: APIClient, zone: Zone) -> None:
    accepted(api, change("create", "www", A1))
    accepted(api, change("delete", "www"))
    assert api.get(WWW).status_code == 404
    gone, there = history(api)
    assert (gone["action"], gone["before"], gone["after"]) == (
        "delete",
        image(A1),
        None,
    )
    assert there["action"] == "create"


def test_the_link_of_the_rrset_leads_there(api: APIClient) -> None:
    accepted(api, change("create", "0/25", A1))
    (shown,) = api.get(f"{ZONES}example.test/rrsets/").json()["results"]
    link = shown["links"]["history"]
    assert link == "/api/v2/zones/example.test./rrsets/0/25.example.test./A/history/"
    (found,) = history(api, link)
    assert found["name"] == "0/25.example.test."
    assert api.get(shown["links"]["self"]).json()["name"] == "0/25.example.test."


@pytest.mark.parametrize("name", ["history", "a/history", "a/A/history"])
def test_an_owner_name_may_be_history(api: APIClient, name: str) -> None:
    accepted(api, change("create", name, A1))
    url = f"{ZONES}example.test/rrsets/{name}/A/"
    assert api.get(url).json()["name"] == f"{name}.example.test.".lower()
    (found,) = history(api, f"{url}history/")
    assert found["name"] == f"{name}.example.test.".lower()


def test_pages(api: APIClient) -> None:
    for value in (A1, A2, A3):
        accepted(api, change("add", "www", value))
    page = api.get(f"{HISTORY}?limit=2").json()
    assert page["previous"] is None
    after = [image(A1, A2, A3), image(A1, A2), image(A1)]
    assert [each["after"] for each in page["results"]] == after[:2]
    rest = api.get(page["next"]).json()
    assert ([each["after"] for each in rest["results"]], rest["next"]) == (
        after[2:],
        None,
    )
    assert api.get(f"{HISTORY}?limit=0").status_code == 400


def test_what_never_was(api: APIClient) -> None:
    answer = api.get(HISTORY)
    assert (answer.status_code, answer.json()["code"]) == (404, "not_found")
    accepted(api, change("create", "www", A1))
    assert api.get(HISTORY.replace("/A/", "/AAAA/")).status_code == 404
    assert api.get(HISTORY.replace("/A/", "/BOGUS/")).status_code == 400


def test_a_change_set_that_was_rejected_leaves_no_history(api: APIClient) -> None:
    body = changeset(change("create", "www", A1), change("delete", "mail"))
    assert api.post("/api/v2/changesets/", body).status_code == 409
    assert api.get(HISTORY).status_code == 404


def test_the_zone_of_others_is_none(api: APIClient) -> None:
    world.make_zone("other.test.")
    accepted(api, change("create", "www", A1))
    stranger = caller("team-mail", zones=["other.test."])
    answer = stranger.get(HISTORY)
    assert (answer.status_code, answer.json()["code"]) == (404, "zone_not_found")
    reader = caller("auditor", zones=["example.test."], read_only=True)
    (found,) = history(reader)
    assert found["requester"] == "team-web"
