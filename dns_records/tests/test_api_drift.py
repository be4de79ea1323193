"""Audits, the drift that they find and how it is resolved, over the API."""

from __future__ import annotations

from typing import Any

import pytest
from rest_framework.test import APIClient

from dns_records.models import AuditTask, Drift, Lane, Zone
from dns_records.providers.memory import Faults, Store
from dns_records.services import audits, findings
from dns_records.services.sweep import Sweeper
from dns_records.tests.callers import caller
from dns_records.tests.conftest import Broker
from dns_records.tests.test_reconcile import A, B, deliver
from dns_records.tests.world import (
    add,
    applied,
    draft,
    post,
    put_into_dns,
    served,
    wanted,
)
from requests_tracker.models import Request

pytestmark = pytest.mark.django_db

AT = "/api/v2/zones/example.test./"
GONE, OTHER, THEIRS = (f"{name}.example.test." for name in ("gone", "other", "theirs"))


def work(zone: Zone) -> None:
    """Do all that is due, to its end."""
    for _ in range(3):
        AuditTask.objects.update(due_at="2026-01-01T00:00:00Z")
        audits.run_due(zone.pk)
        deliver(zone)


def audit(api: APIClient, zone: Zone) -> dict[str, Any]:
    """Audit a zone; return the request as it is then."""
    answer = api.post(f"{AT}audit/")
    assert answer.status_code == 202, answer.json()
    work(zone)
    return shown(api, answer.json()["id"])


def shown(api: APIClient, request_id: str) -> dict[str, Any]:
    """Return a request as v2 shows it."""
    body: dict[str, Any] = api.get(f"/api/v2/requests/{request_id}/").json()
    return body


def resolve(api: APIClient, **body: Any) -> Any:
    """Ask for drift to be resolved."""
    return api.post(f"{AT}drift/resolve/", body, format="json")


def drift(api: APIClient, **query: str) -> list[tuple[str, str]]:
    """Return the kind and name of the open drift."""
    rows = api.get(f"{AT}drift/", query).json()["results"]
    return [(row["kind"], row["name"]) for row in rows]


@pytest.fixture
def drifted(api: APIClient, zone: Zone) -> Request:
    """Let other hands take, change and add an RRset; return what wrote them last."""
    add("same", A)
    request = post(draft("add", "gone", "A", A), draft("add", "other", "A", A))
    deliver(zone)
    put_into_dns(zone, GONE, "A")
    put_into_dns(zone, OTHER, "A", B)
    put_into_dns(zone, THEIRS, "A", B)
    return request


def test_an_audit_is_a_request_whose_timeline_has_what_differs(
    api: APIClient, zone: Zone, drifted: Request
) -> None:
    done = audit(api, zone)

    assert (done["status"], done["action"]) == ("completed", "audit")
    (told,) = [each for each in done["events"] if each["step"] == "verified"]
    assert told["message"] == "3 RRsets compared: 1 missing, 1 different, 1 extra"
    assert told["data"]["differences"][1] == {
        "name": OTHER,
        "type": "A",
        "kind": "different",
        "wanted": {"ttl": 300, "records": [A]},
        "served": {"ttl": 300, "records": [B]},
        "request": str(drifted.pk),
    }
    assert Lane.objects.get().last_audit == told["data"]
    assert not AuditTask.objects.exists()


def test_the_open_drift_is_listed_and_filtered(
    api: APIClient, zone: Zone, drifted: Request
) -> None:
    audit(api, zone)

    every = [("missing", GONE), ("different", OTHER), ("extra", THEIRS)]
    assert drift(api) == every
    assert drift(api, kind="extra") == every[2:]
    assert drift(api, name="other") == every[1:2]
    assert drift(api, type="a") == every
    assert drift(api, type="TXT") == []
    page = api.get(f"{AT}drift/", {"limit": 2}).json()
    assert [row["name"] for row in api.get(page["next"]).json()["results"]] == [THEIRS]
    row = page["results"][0]
    assert (row["touched_by"], row["resolving"]) == (str(drifted.pk), None)
    assert api.get(row["links"]["touched_by"]).status_code == 200
    assert api.get(f"{AT}drift/", {"kind": "odd"}).status_code == 400


def test_what_is_right_again_is_open_no_more(
    api: APIClient, zone: Zone, drifted: Request
) -> None:
    audit(api, zone)
    put_into_dns(zone, GONE, "A", A)
    found = Drift.objects.get(name=OTHER).found_at

    audit(api, zone)

    assert drift(api) == [("different", OTHER), ("extra", THEIRS)]
    assert Drift.objects.get(name=GONE).resolved_at is not None
    assert Drift.objects.get(name=OTHER).found_at == found
    put_into_dns(zone, GONE, "A")
    audit(api, zone)
    assert Drift.objects.filter(name=GONE).count() == 2


def test_what_is_on_its_way_stays_as_it_is_noted(
    api: APIClient, zone: Zone, drifted: Request
) -> None:
    findings.note(zone)
    post(draft("put", "other", "A", B))
    findings.note(zone)
    assert drift(api, name="other") == [("different", OTHER)]
    deliver(zone)
    findings.note(zone)
    assert drift(api, name="other") == []


def test_restore_writes_what_is_wanted_and_ends_with_it(
    api: APIClient, zone: Zone, drifted: Request
) -> None:
    audit(api, zone)
    answer = resolve(api, by="restore")
    assert answer.status_code == 202
    request_id = answer.json()["id"]
    audits.run_due(zone.pk)
    assert shown(api, request_id)["status"] == "provisioning"
    assert {row.resolving_id for row in Drift.objects.exclude(kind="extra")} == {
        Request.objects.get(pk=request_id).pk
    }

    work(zone)

    done = shown(api, request_id)
    assert (done["status"], done["action"]) == ("completed", "resolve_drift")
    (made,) = Request.objects.filter(action="reconcile")
    assert (made.correlation_id, made.requester) == (request_id, done["requester"])
    # What is extra is not ours to delete.
    theirs = {(THEIRS, "A"): (300, (B,))}
    assert served(zone) == wanted(zone) | theirs
    assert drift(api) == [("extra", THEIRS)]


def test_one_is_adopted_another_restored_and_then_all_is_clean(
    api: APIClient, zone: Zone, drifted: Request
) -> None:
    audit(api, zone)
    taken = [{"name": "other", "type": "A"}, {"name": THEIRS, "type": "a"}]
    sent = len(served(zone))
    first = resolve(api, by="adopt", records=taken).json()["id"]
    second = resolve(api, by="restore", records=[{"name": "gone", "type": "A"}]).json()
    work(zone)

    done = shown(api, first)
    assert done["status"] == "completed"
    assert [(each["name"], each["status"]) for each in done["changes"]] == [
        (OTHER, "verified"),
        (THEIRS, "verified"),
    ]
    assert shown(api, second["id"])["status"] == "completed"
    assert len(served(zone)) == sent + 1
    assert served(zone) == wanted(zone) == applied(zone)
    assert audit(api, zone)["events"][-2]["data"]["differences"] == []
    assert drift(api) == []


def test_what_is_served_otherwise_by_now_is_not_adopted(
    api: APIClient, zone: Zone, drifted: Request
) -> None:
    audit(api, zone)
    put_into_dns(zone, OTHER, "A", "192.0.2.99")
    request_id = resolve(api, by="adopt").json()["id"]
    work(zone)

    done = shown(api, request_id)
    assert (done["status"], done["error"]["code"]) == ("failed", "not_adopted")
    (reason,) = done["error"]["errors"]
    assert reason["detail"] == f"{OTHER} A: is not as it was found any more"
    assert wanted(zone)[OTHER, "A"] == (300, (A,))
    assert (THEIRS, "A") in wanted(zone) and (GONE, "A") not in wanted(zone)
    assert [(row.name, row.resolving_id) for row in findings.open_in(zone)] == [
        (OTHER, None)
    ]


def test_a_restore_that_is_refused_leaves_the_drift_open(
    api: APIClient, zone: Zone, store: Store, drifted: Request
) -> None:
    audit(api, zone)
    store.faults = Faults(refuse_names=frozenset({GONE}))
    request_id = resolve(api, by="restore").json()["id"]
    work(zone)

    done = shown(api, request_id)
    assert (done["status"], done["error"]["code"]) == ("failed", "not_restored")
    assert drift(api, kind="missing") == [("missing", GONE)]
    assert resolve(api, by="restore").status_code == 202


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        ({"by": "magic"}, 400, "invalid"),
        ({"by": "adopt", "records": []}, 400, "invalid"),
        (
            {"by": "adopt", "records": [{"name": "no..", "type": "A"}]},
            400,
            "invalid_name",
        ),
        (
            {"by": "adopt", "records": [{"name": "same", "type": "A"}]},
            409,
            "nothing_to_resolve",
        ),
        (
            {"by": "restore", "records": [{"name": "theirs", "type": "A"}]},
            409,
            "nothing_to_resolve",
        ),
    ],
)
def test_what_cannot_be_resolved_is_refused_and_tracked(
    api: APIClient,
    zone: Zone,
    drifted: Request,
    body: dict[str, Any],
    status: int,
    code: str,
) -> None:
    audit(api, zone)
    answer = resolve(api, **body)
    assert (answer.status_code, answer.json()["code"]) == (status, code)
    row = Request.objects.get(pk=answer.json()["request_id"])
    assert (row.status, row.action) == ("rejected", "resolve_drift")
    assert not AuditTask.objects.exists()
    assert not Drift.objects.filter(resolving__isnull=False).exists()


def test_drift_that_another_request_resolves_is_taken(
    api: APIClient, zone: Zone, drifted: Request
) -> None:
    audit(api, zone)
    assert resolve(api, by="adopt").status_code == 202
    assert resolve(api, by="restore").json()["code"] == "nothing_to_resolve"


def test_a_cancelled_resolution_lets_go_of_its_drift(
    api: APIClient, zone: Zone, drifted: Request
) -> None:
    audit(api, zone)
    request_id = resolve(api, by="adopt").json()["id"]
    assert api.post(f"/api/v2/requests/{request_id}/cancel/").status_code == 200
    work(zone)
    assert not AuditTask.objects.exists()
    assert not Drift.objects.filter(resolving__isnull=False).exists()
    assert (OTHER, "A") in applied(zone)


def test_a_key_audits_once(api: APIClient, zone: Zone) -> None:
    first = api.post(f"{AT}audit/", HTTP_IDEMPOTENCY_KEY="once")
    again = api.post(f"{AT}audit/", HTTP_IDEMPOTENCY_KEY="once")
    assert (again.status_code, again["Idempotent-Replayed"]) == (202, "true")
    assert first.json()["id"] == again.json()["id"]
    assert AuditTask.objects.count() == 1


def test_a_server_that_does_not_tell_is_why_an_audit_fails(
    api: APIClient, zone: Zone, store: Store
) -> None:
    store.faults = Faults(unreachable=True)
    done = audit(api, zone)
    assert (done["status"], done["error"]["code"]) == ("failed", "audit_failed")


def test_a_failed_audit_can_be_retried(
    api: APIClient, zone: Zone, store: Store
) -> None:
    store.faults = Faults(unreachable=True)
    failed = audit(api, zone)
    store.faults = Faults()

    again = api.post(f"/api/v2/requests/{failed['id']}/retry/")
    assert (again.status_code, again.json()["action"]) == (202, "audit")
    work(zone)

    done = shown(api, again.json()["id"])
    assert (done["status"], done["retry_of"]) == ("completed", failed["id"])


def test_who_may_only_read_sees_drift_and_asks_for_nothing(
    zone: Zone, drifted: Request
) -> None:
    findings.note(zone)
    reader = caller(read_only=True)
    assert len(drift(reader)) == 3
    assert reader.post(f"{AT}audit/").status_code == 403
    assert resolve(reader, by="adopt").status_code == 403
    stranger = caller(zones=["other.test."])
    assert stranger.get(f"{AT}drift/").status_code == 404
    assert stranger.post(f"{AT}audit/").status_code == 404


def test_who_dies_leaves_the_audit_to_another(
    api: APIClient, zone: Zone, monkeypatch: pytest.MonkeyPatch, broker: Broker
) -> None:
    request_id = api.post(f"{AT}audit/").json()["id"]

    def die(*args: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(findings, "note", die)
        with pytest.raises(KeyboardInterrupt):
            audits.run_due(zone.pk)
    assert shown(api, request_id)["status"] == "provisioning"
    assert audits.due() == []  # for a minute

    AuditTask.objects.update(due_at="2026-01-01T00:00:00Z")
    broker.go_down()
    Sweeper().once()
    assert shown(api, request_id)["status"] == "completed"


def test_one_process_at_a_time_is_at_a_zone(api: APIClient, zone: Zone) -> None:
    api.post(f"{AT}audit/")
    Lane.objects.update(audit_claim="2100-01-01T00:00:00Z")
    assert audits.due() == []
    audits.run_due(zone.pk)
    assert AuditTask.objects.count() == 1
    Lane.objects.update(audit_claim="2026-01-01T00:00:00Z")
    assert [zone_id for zone_id, _ in audits.due()] == [zone.pk]


def test_a_zone_with_an_audit_on_its_way_is_not_forgotten(
    api: APIClient, zone: Zone
) -> None:
    api.post(f"{AT}audit/")
    answer = api.delete(AT, {"force": "true"}, format="json")
    assert (answer.status_code, answer.json()["code"]) == (409, "lane_not_empty")
