"""Callers of the REST API: a client with a token each, and what they ask for."""

from __future__ import annotations

from typing import Any

from rest_framework.test import APIClient

from dns_records.models import Zone
from dns_records.services import delivery, verification
from dnsorch.tokens import services
from requests_tracker.models import Request

RECORDS = "/api/v1/dns-records/"
CHANGESETS = "/api/v2/changesets/"
BATCH = "/api/v2/changesets/batch/"
ZONES = "/api/v2/zones/"
WWW = "/api/v2/zones/example.test/rrsets/www/A/"


def caller(owner: str = "team-web", **wanted: Any) -> APIClient:
    """Return a client with a new token; it answers 500 where it would raise."""
    issued = services.issue(owner=owner, **wanted)
    client = APIClient(raise_request_exception=False)
    client.credentials(HTTP_AUTHORIZATION=f"Bearer {issued.text}")
    return client


def record(name: str = "www.example.test.", **fields: Any) -> dict[str, Any]:
    """Return the body of a v1 POST."""
    return {"name": name, "type": "A", "value": "192.0.2.1", **fields}


def change(
    action: str, name: str = "www", *records: str, **fields: Any
) -> dict[str, Any]:
    """Return one change of an A RRset, or of that of another ``type``."""
    found = {"action": action, "name": name, "type": "A", **fields}
    return found | ({"records": list(records)} if records else {})


def changeset(*changes: dict[str, Any], **fields: Any) -> dict[str, Any]:
    """Return the body of a v2 change set."""
    return {"zone": "example.test.", "changes": list(changes), **fields}


def deliver(zone: Zone) -> None:
    """Do what the worker does: send what is due, then ask the name servers."""
    delivery.drain(zone.pk)
    verification.check(zone.pk)


def the_request() -> Request:
    """Return the only request that is in the tracker."""
    return Request.objects.get()


def pointers(answer: Any) -> list[tuple[str, str]]:
    """Return where a problem says what is wrong, and the code of each."""
    return [(each["pointer"], each["code"]) for each in answer.json()["errors"]]


def assert_rejected(answer: Any, status: int, code: str) -> Request:
    """Check a rejection and its row in the tracker; return the row."""
    body = answer.json()
    assert (answer.status_code, body.get("code")) == (status, code), body
    assert answer.headers["Content-Type"] == "application/problem+json"
    assert body["status"] == status
    assert body["type"] == f"/problems/{code}"
    row = Request.objects.get(pk=body["request_id"])
    assert (row.status, row.error_code) == ("rejected", code)
    assert answer.headers["X-Tracker-Request"] == str(row.pk)
    where = f"/api/{row.api_version}/requests/{row.pk}/"
    assert answer.headers["Location"] == body["instance"] == where
    return row


def assert_untracked(answer: Any, status: int, code: str) -> None:
    """Check a problem that leaves no row in the tracker."""
    body = answer.json()
    assert (answer.status_code, body.get("code")) == (status, code), body
    assert answer.headers["Content-Type"] == "application/problem+json"
    assert "request_id" not in body
    assert "X-Tracker-Request" not in answer.headers
    assert not Request.objects.exists()


def post(api: APIClient, *changes: dict[str, Any], **fields: Any) -> Any:
    """Post a change set."""
    return api.post(CHANGESETS, changeset(*changes, **fields))


def accepted(api: APIClient, *changes: dict[str, Any], **fields: Any) -> dict[str, Any]:
    """Post a change set that is right; return the request."""
    answer = post(api, *changes, **fields)
    assert answer.status_code == 202, answer.json()
    body: dict[str, Any] = answer.json()
    return body


def warnings(body: dict[str, Any]) -> list[tuple[str, str]]:
    """Return the warnings of an accepted change set: the timeline tells them."""
    (validated,) = (each for each in body["events"] if each["step"] == "validated")
    return [(each["pointer"], each["code"]) for each in validated["data"]["warnings"]]


def image(*records: str, ttl: int = 300) -> dict[str, Any]:
    """Return the JSON form of an RRset at one moment."""
    return {"ttl": ttl, "records": list(records)}


def made(api: APIClient, **fields: Any) -> dict[str, Any]:
    """Create a record and return it."""
    answer = api.post(RECORDS, record(**fields))
    assert answer.status_code == 202, answer.json()
    shown: dict[str, Any] = answer.json()["record"]
    return shown


def at(shown: dict[str, Any]) -> str:
    """Return the URL of a record."""
    where: str = shown["links"]["self"]
    return where
