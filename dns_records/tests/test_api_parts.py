"""Change sets of several zones: one request, one part for each zone."""

from __future__ import annotations

from typing import Any

import pytest
from rest_framework.test import APIClient

from dns_records.models import Zone
from dns_records.providers.memory import Faults
from dns_records.services import sweep
from dns_records.tests import world
from dns_records.tests.callers import (
    BATCH,
    CHANGESETS,
    assert_rejected,
    caller,
    change,
    deliver,
    pointers,
    warnings,
)
from requests_tracker.models import OutboxEvent, Request

pytestmark = pytest.mark.django_db(transaction=True)

A1, A2 = "192.0.2.1", "192.0.2.2"
HERE, THERE = "www.example.test.", "www.other.test."
FIRST, SECOND = change("add", HERE, A1), change("add", THERE, A2)


@pytest.fixture
def other(zone: Zone) -> Zone:
    """A second zone."""
    return world.make_zone("other.test.")


def post(api: APIClient, *changes: dict[str, Any], **fields: Any) -> Any:
    """Post a change set without a zone."""
    where = f"{CHANGESETS}?dry_run=true" if fields.pop("dry_run", False) else CHANGESETS
    return api.post(where, {"changes": list(changes), **fields})


def accepted(api: APIClient, *changes: dict[str, Any], **fields: Any) -> Any:
    """Post a change set without a zone that is right; return the request."""
    answer = post(api, *changes, **fields)
    assert answer.status_code == 202, answer.json()
    return answer.json()


def shown(api: APIClient, request_id: str) -> Any:
    """Return a request as v2 shows it now."""
    return api.get(f"/api/v2/requests/{request_id}/").json()


def drain(*zones: Zone) -> None:
    """Do what the workers do."""
    for zone in zones:
        deliver(zone)


def ends(body: Any) -> list[tuple[str, str, bool]]:
    """Return zone and state of the parts, and which put another one back."""
    return [(p["zone"], p["status"], bool(p["compensates"])) for p in body["parts"]]


def test_one_request_with_a_part_for_each_zone(
    api: APIClient, zone: Zone, other: Zone
) -> None:
    body = accepted(api, FIRST, SECOND, change("add", "ftp.other.test", A1))
    assert (body["status"], body["zone"], body["changes"]) == ("queued", None, [])
    assert (body["atomicity"], body["part_of"]) == ("per zone", None)
    assert ends(body) == [
        ("example.test.", "queued", False),
        ("other.test.", "queued", False),
    ]
    parts = [shown(api, each["id"]) for each in body["parts"]]
    assert [each["part_of"] for each in parts] == [body["id"]] * 2
    assert [[c["name"] for c in each["changes"]] for each in parts] == [
        [HERE],
        [THERE, "ftp.other.test."],
    ]
    drain(zone)
    assert shown(api, body["id"])["status"] == "provisioning"
    drain(other)
    body = shown(api, body["id"])
    assert body["status"] == "completed"
    # The first one sets the marker.
    assert [len(each) for each in world.messages(other)] == [0, 2]
    assert [each["step"] for each in body["events"]][4:] == [
        "verified",
        "verified",
        "completed",
    ]
    assert OutboxEvent.objects.count() == 3


def test_names_of_one_zone_are_an_ordinary_change_set(
    api: APIClient, other: Zone
) -> None:
    body = accepted(api, SECOND, comment="one", on_failure="revert")
    assert (body["zone"], body["parts"], body["comment"]) == ("other.test.", [], "one")
    assert body["atomicity"] == "whole"


def test_the_longest_apex_holds_a_name(api: APIClient, zone: Zone) -> None:
    world.make_zone("sub.example.test.")
    body = accepted(api, FIRST, change("add", "www.sub.example.test", A1))
    zones = [part["zone"] for part in body["parts"]]
    assert zones == ["example.test.", "sub.example.test."]


def test_all_or_none_is_accepted(api: APIClient, zone: Zone, other: Zone) -> None:
    answer = post(api, FIRST, change("delete", THERE))
    row = assert_rejected(answer, 409, "rrset_not_found")
    assert pointers(answer) == [("/changes/1", "rrset_not_found")]
    assert Request.objects.get() == row
    assert (row.parts_expected, world.wanted(zone), world.wanted(other)) == (
        None,
        {},
        {},
    )


@pytest.mark.parametrize(
    ("name", "status", "code"),
    [
        ("www.unknown.test", 404, "zone_not_found"),
        ("@", 400, "invalid_name"),
        ("a..b", 400, "invalid_name"),
    ],
)
def test_a_name_that_no_zone_holds(
    api: APIClient, other: Zone, name: str, status: int, code: str
) -> None:
    answer = post(api, FIRST, change("add", name, A1))
    assert_rejected(answer, status, code)
    assert pointers(answer) == [("/changes/1/name", code)]


def test_a_token_needs_all_zones(zone: Zone, other: Zone) -> None:
    limited = caller(zones=["example.test."])
    answer = post(limited, FIRST, SECOND)
    assert_rejected(answer, 404, "zone_not_found")
    reader = caller("reader", read_only=True)
    assert post(reader, FIRST, SECOND).status_code == 403


def test_a_dry_run_has_a_plan_for_each_zone(
    api: APIClient, zone: Zone, other: Zone
) -> None:
    plans = post(api, FIRST, SECOND, dry_run=True).json()["plans"]
    assert [each["zone"] for each in plans] == ["example.test.", "other.test."]
    assert not Request.objects.exists()


def test_a_key_acts_once(api: APIClient, zone: Zone, other: Zone) -> None:
    body = {"changes": [FIRST, SECOND]}
    first, again = (
        api.post(CHANGESETS, body, headers={"Idempotency-Key": "k"}) for _ in range(2)
    )
    assert again.headers["Idempotent-Replayed"] == "true"
    assert again.json()["id"] == first.json()["id"]
    assert Request.objects.count() == 3
    assert Request.objects.filter(idempotency_key="k").count() == 1


def test_an_item_of_a_batch(api: APIClient, zone: Zone, other: Zone) -> None:
    items = [{"changeset": {"changes": [FIRST, SECOND]}}]
    (result,) = api.post(BATCH, {"items": items}).json()["results"]
    assert (result["status"], len(result["body"]["parts"])) == (202, 2)


def failed(api: APIClient, zone: Zone, other: Zone, **fields: Any) -> str:
    """Post a request whose second part is refused; return its id."""
    world.store_of(other).faults = Faults(refuse_names=frozenset({THERE}))
    request_id: str = accepted(api, FIRST, SECOND, **fields)["id"]
    drain(zone, other)
    return request_id


def test_a_part_that_fails(api: APIClient, zone: Zone, other: Zone) -> None:
    body = shown(api, failed(api, zone, other))
    assert (body["status"], body["error"]["code"]) == ("failed", "parts_failed")
    (reason,) = body["error"]["errors"]
    assert (reason["pointer"], reason["code"]) == ("/parts/1", "refused_by_server")
    sweep.Sweeper().once()
    assert world.served(zone) == {(HERE, "A"): (300, (A1,))}


def test_what_was_applied_is_put_back(api: APIClient, zone: Zone, other: Zone) -> None:
    world.add(HERE, A2)
    drain(zone)
    request_id = failed(api, zone, other, on_failure="revert")
    assert shown(api, request_id)["status"] != "failed"
    assert world.served(zone) == {(HERE, "A"): (300, (A1, A2))}
    for _ in range(2):
        sweep.Sweeper().once()
    body = shown(api, request_id)
    assert ends(body)[2:] == [("example.test.", "queued", True)]
    drain(zone)
    body = shown(api, request_id)
    assert ends(body) == [
        ("example.test.", "completed", False),
        ("other.test.", "failed", False),
        ("example.test.", "completed", True),
    ]
    assert body["status"] == "failed"
    assert "example.test. is completed and put back" in body["error"]["detail"]
    assert world.served(zone) == {(HERE, "A"): (300, (A2,))}
    assert world.wanted(zone) == world.served(zone)


def test_what_someone_changed_since_is_not_put_back(
    api: APIClient, zone: Zone, other: Zone
) -> None:
    request_id = failed(api, zone, other, on_failure="revert")
    world.add(HERE, A2)
    sweep.Sweeper().once()
    body = shown(api, request_id)
    assert ends(body)[2:] == [("example.test.", "rejected", True)]
    assert body["status"] == "failed"
    assert "putting it back rejected" in body["error"]["detail"]
    (told,) = (each for each in body["events"] if each["step"] == "rejected")
    assert "is not what was expected" in told["message"]
    assert world.wanted(zone) == {(HERE, "A"): (300, (A1, A2))}


def test_cancel_takes_the_parts_that_wait(
    api: APIClient, zone: Zone, other: Zone
) -> None:
    request_id = accepted(api, FIRST, SECOND)["id"]
    answer = api.post(f"/api/v2/requests/{request_id}/cancel/")
    assert (answer.status_code, answer.json()["status"]) == (200, "cancelled")
    assert world.wanted(zone) == world.wanted(other) == {}
    again = api.post(f"/api/v2/requests/{request_id}/cancel/")
    assert_rejected(again, 409, "illegal_transition")


def test_cancel_when_a_part_is_done(api: APIClient, zone: Zone, other: Zone) -> None:
    request_id = accepted(api, FIRST, SECOND)["id"]
    drain(zone)
    body = api.post(f"/api/v2/requests/{request_id}/cancel/").json()
    assert (body["status"], body["error"]["code"]) == ("failed", "parts_failed")
    assert [status for _, status, _ in ends(body)] == ["completed", "cancelled"]


def test_retry(api: APIClient, zone: Zone, other: Zone) -> None:
    request_id = accepted(api, FIRST, SECOND)["id"]
    assert api.post(f"/api/v2/requests/{request_id}/retry/").status_code == 202
    assert api.post(f"/api/v2/requests/{request_id}/cancel/").status_code == 200
    request_id = failed(api, zone, other)
    answer = api.post(f"/api/v2/requests/{request_id}/retry/")
    assert_rejected(answer, 409, "illegal_transition")
    part = shown(api, request_id)["parts"][1]["id"]
    world.store_of(other).faults = Faults()
    again = api.post(f"/api/v2/requests/{part}/retry/").json()
    assert (again["retry_of"], again["part_of"]) == (part, None)


def test_warnings_of_all_zones_stand_on_the_whole(
    api: APIClient, zone: Zone, other: Zone
) -> None:
    gone = [change("remove", name, A1) for name in (HERE, THERE)]
    assert warnings(accepted(api, *gone)) == [
        ("/changes/0", "record_not_found"),
        ("/changes/1", "record_not_found"),
    ]
