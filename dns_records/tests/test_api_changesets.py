"""/api/v2/changesets/: many changes of one zone, all or nothing."""

from __future__ import annotations

from itertools import permutations
from typing import Any

import pytest
from rest_framework.test import APIClient

from dns_records.models import RRset, Zone
from dns_records.tests import world
from dns_records.tests.callers import (
    CHANGESETS,
    accepted,
    assert_rejected,
    change,
    changeset,
    deliver,
    image,
    pointers,
    post,
    warnings,
)
from requests_tracker.models import Request

A1, A2, A3 = "192.0.2.1", "192.0.2.2", "192.0.2.3"
WWW_A = ("www.example.test.", "A")


def test_the_answer_is_the_request(api: APIClient) -> None:
    answer = post(api, change("add", "www", A1, ttl=60), comment="release 7")
    row, body = Request.objects.get(), answer.json()
    assert answer.status_code == 202
    assert answer.headers["X-Tracker-Request"] == str(row.pk)
    assert answer.headers["Location"] == f"/api/v2/requests/{row.pk}/"
    at = f"/api/v2/requests/{row.pk}/"
    events = body.pop("events")
    assert body == {
        "id": str(row.pk),
        "status": "queued",
        "source": "rest",
        "api_version": "v2",
        "action": "changeset",
        "requester": "team-web",
        "on_behalf_of": None,
        "zone": "example.test.",
        "comment": "release 7",
        "idempotency_key": None,
        "correlation_id": answer.headers["X-Request-ID"],
        "received_at": body["received_at"],
        "completed_at": None,
        "attempts": 0,
        "next_attempt_at": None,
        "error": None,
        "retry_of": None,
        "part_of": None,
        "parts": [],
        "atomicity": "whole",
        "changes": [
            {
                "name": "www.example.test.",
                "type": "A",
                "action": "add",
                "before": None,
                "after": image(A1, ttl=60),
                "status": "pending",
                "superseded_by": None,
                "applied_at": None,
                "nameservers": [],
            }
        ],
        "links": {"self": at, "events": f"{at}events/", "cancel": f"{at}cancel/"},
    }
    assert body["received_at"].endswith("Z")
    assert [(each["sequence"], each["step"], each["level"]) for each in events] == [
        (1, "received", "info"),
        (2, "validated", "info"),
        (3, "stored", "info"),
        (4, "enqueued", "info"),
    ]
    assert sorted(events[0]) == ["at", "data", "level", "message", "sequence", "step"]
    assert api.get(at).json() == body | {"events": events}


@pytest.mark.parametrize(
    ("there", "asked", "left"),
    [
        ((), change("create", "www", A2), (A2,)),
        ((A1,), change("replace", "www", A2), (A2,)),
        ((A1,), change("delete"), ()),
        ((), change("add", "www", A2), (A2,)),
        ((A1,), change("add", "www", A2), (A1, A2)),
        ((A1, A2), change("remove", "www", A2), (A1,)),
        ((A1,), change("remove", "www", A1), ()),
    ],
)
def test_the_five_actions(
    api: APIClient,
    zone: Zone,
    there: tuple[str, ...],
    asked: dict[str, Any],
    left: tuple[str, ...],
) -> None:
    if there:
        accepted(api, change("create", "www", *there))
    body = accepted(api, asked)
    (shown,) = body["changes"]
    assert shown["action"] == asked["action"]
    assert shown["before"] == (image(*there) if there else None)
    assert shown["after"] == (image(*left) if left else None)
    assert warnings(body) == []
    assert world.wanted(zone) == ({WWW_A: (300, left)} if left else {})
    deliver(zone)
    assert world.served(zone) == world.wanted(zone)


@pytest.mark.parametrize(
    ("there", "asked", "code"),
    [
        ((A1,), change("create", "www", A2), "rrset_exists"),
        ((A1,), change("create", "www", A1), "rrset_exists"),
        ((), change("replace", "www", A2), "rrset_not_found"),
        ((), change("delete"), "rrset_not_found"),
    ],
)
def test_conflicts_with_the_wanted_state(
    api: APIClient, zone: Zone, there: tuple[str, ...], asked: dict[str, Any], code: str
) -> None:
    if there:
        accepted(api, change("create", "www", *there))
    before = world.wanted(zone)
    answer = post(api, change("add", "other", A1), asked)
    row = assert_rejected(answer, 409, code)
    assert pointers(answer) == [("/changes/1", code)]
    assert row.zone == "example.test."
    # All or nothing: the other change is not there either.
    assert world.wanted(zone) == before


@pytest.mark.parametrize(
    ("asked", "code"),
    [
        (change("add", "www", A1), "record_exists"),
        (change("remove", "www", A2), "record_not_found"),
        (change("remove", "other", A2), "record_not_found"),
    ],
)
def test_what_is_done_already_is_no_error_but_a_warning(
    api: APIClient, zone: Zone, asked: dict[str, Any], code: str
) -> None:
    accepted(api, change("create", "www", A1))
    body = accepted(api, asked)
    assert warnings(body) == [("/changes/0", code)]
    assert world.wanted(zone) == {WWW_A: (300, (A1,))}
    deliver(zone)
    # A change set that changes nothing is sent and verified all the same.
    done = api.get(body["links"]["self"]).json()
    assert (done["status"], done["changes"][0]["status"]) == ("completed", "verified")
    assert {"sent", "applied"} < {each["step"] for each in done["events"]}


def test_add_and_remove_may_repeat(api: APIClient, zone: Zone) -> None:
    accepted(api, change("create", "www", A1, A2))
    accepted(
        api,
        change("remove", "www", A1),
        change("add", "www", A3, ttl=60),
        change("remove", "www", A2),
        change("add", "www", "192.0.2.4"),
    )
    assert world.wanted(zone) == {WWW_A: (60, (A3, "192.0.2.4"))}


@pytest.mark.parametrize("first", ["create", "replace", "delete"])
@pytest.mark.parametrize("second", ["create", "replace", "delete", "add", "remove"])
def test_a_whole_rrset_is_named_once(api: APIClient, first: str, second: str) -> None:
    def one(action: str) -> dict[str, Any]:
        return change(action, "www", *(() if action == "delete" else (A1,)))

    answer = post(api, one(first), one(second))
    assert_rejected(answer, 400, "invalid")
    assert pointers(answer) == [("/changes/1", "rrset_repeated")]


def test_what_contradicts_itself_is_400(api: APIClient) -> None:
    answer = post(api, change("add", "www", A1), change("remove", "www", A1))
    assert_rejected(answer, 400, "invalid")
    assert pointers(answer) == [("/changes/1", "contradiction")]
    ttls = post(api, change("add", "w", A1, ttl=1), change("add", "w", A2, ttl=2))
    assert_rejected(ttls, 400, "invalid")
    assert pointers(ttls) == [("/changes/1/ttl", "ttl_conflict")]


def test_the_end_state_counts_in_whatever_order(api: APIClient, zone: Zone) -> None:
    """A CNAME and the A records of a name change places, both ways."""
    alias = {"type": "CNAME"}
    to_cname = (
        change("delete", "www"),
        change("create", "www", "a.test.", **alias),
        change("add", "x", A1),
    )
    to_a = (
        change("delete", "www", **alias),
        change("create", "www", A1),
        change("remove", "x", A1),
    )
    accepted(api, change("create", "www", A1))
    for asked, back in zip(permutations(to_cname), permutations(to_a), strict=True):
        accepted(api, *asked)
        assert ("www.example.test.", "CNAME") in world.wanted(zone)
        accepted(api, *back)
        assert world.wanted(zone) == {WWW_A: (300, (A1,))}
    deliver(zone)
    assert world.served(zone) == {WWW_A: (300, (A1,))}
    assert set(world.states()) == {"completed"}


@pytest.mark.parametrize(
    ("changes", "status", "code", "place"),
    [
        (
            [change("add", "@", "a.test.", type="CNAME")],
            400,
            "cname_at_apex",
            "/changes/0",
        ),
        (
            [change("add", "w", A1), change("add", "w", "a.test.", type="CNAME")],
            409,
            "cname_conflict",
            "/changes/0",
        ),
        (
            [change("add", "*", "ns1.test.", type="NS")],
            400,
            "type_at_wildcard",
            "/changes/0",
        ),
        (
            [change("add", "w", "a.test.", "b.test.", type="CNAME")],
            400,
            "singleton_rrset",
            "/changes/0",
        ),
    ],
)
def test_dns_rules(
    api: APIClient, changes: list[dict[str, Any]], status: int, code: str, place: str
) -> None:
    answer = post(api, *changes)
    assert_rejected(answer, status, code)
    assert pointers(answer) == [(place, code)]


def test_the_apex_keeps_its_name_servers(api: APIClient, zone: Zone) -> None:
    ns = {"type": "NS"}
    accepted(api, change("create", "@", "ns1.test.", "ns2.test.", **ns))
    gone = post(api, change("delete", "@", **ns))
    assert_rejected(gone, 400, "apex_ns_required")
    body = accepted(api, change("replace", "@", "ns3.test.", **ns))
    assert warnings(body) == [("/changes/0", "one_name_server")]


@pytest.mark.parametrize(
    ("fields", "places"),
    [
        ({"name": "a..b"}, [("/changes/3/name", "invalid_name")]),
        ({"name": "x.example.org."}, [("/changes/3/name", "out_of_zone")]),
        ({"name": "_dnsorch"}, [("/changes/3/name", "reserved_name")]),
        ({"type": "XXX"}, [("/changes/3/type", "unsupported_type")]),
        ({"records": ["x"]}, [("/changes/3/records/0", "invalid_rdata")]),
        ({"records": [A1, "x"]}, [("/changes/3/records/1", "invalid_rdata")]),
        ({"records": [A1, A1]}, [("/changes/3/records/1", "duplicate_record")]),
        ({"records": []}, [("/changes/3/records", "invalid")]),
        ({"records": [1]}, [("/changes/3/records/0", "invalid_type")]),
        ({"action": "upsert"}, [("/changes/3/action", "invalid_choice")]),
        ({"action": "delete"}, [("/changes/3/records", "invalid")]),
        ({"ttl": "1"}, [("/changes/3/ttl", "invalid_type")]),
        ({"ttl": 2**31}, [("/changes/3/ttl", "max_value")]),
        ({"colour": "red"}, [("/changes/3/colour", "unknown_field")]),
        ({"not_before": "x"}, [("/changes/3/not_before", "unknown_field")]),
        (
            {"expected": {"records": ["x"]}},
            [("/changes/3/expected/records/0", "invalid_rdata")],
        ),
        ({"expected": {"records": []}}, [("/changes/3/expected/records", "empty")]),
        ({"expected": {}}, [("/changes/3/expected/records", "required")]),
        ({"expected": []}, [("/changes/3/expected", "invalid")]),
        (
            {"name": "a..b", "records": ["x"]},
            [
                ("/changes/3/name", "invalid_name"),
                ("/changes/3/records/0", "invalid_rdata"),
            ],
        ),
    ],
)
def test_a_mistake_is_pointed_at(
    api: APIClient, fields: dict[str, Any], places: list[tuple[str, str]]
) -> None:
    right = [change("add", name, A1) for name in "abc"]
    answer = post(api, *right, {**change("add", "d", A1), **fields})
    assert_rejected(answer, 400, answer.json()["code"])
    assert pointers(answer) == places
    assert not RRset.objects.exists()


@pytest.mark.parametrize(
    ("body", "places"),
    [
        ({}, [("/zone", "required"), ("/changes", "required")]),
        (changeset(), [("/changes", "empty")]),
        (changeset(zone=1), [("/zone", "invalid_type"), ("/changes", "empty")]),
        ({"zone": "example.test", "changes": {}}, [("/changes", "not_a_list")]),
        ({"zone": "example.test", "changes": [1]}, [("/changes/0", "invalid")]),
        (
            changeset(change("add", "w", A1), zone="a..b"),
            [("/zone", "invalid_name")],
        ),
        (
            changeset(change("add", "w", A1), zone="nowhere.test."),
            [("/zone", "zone_not_found")],
        ),
        (changeset(change("add", "w", A1), x=1), [("/x", "unknown_field")]),
        (changeset(change("add", "w", A1), comment=1), [("/comment", "invalid_type")]),
    ],
)
def test_a_wrong_body_says_where(
    api: APIClient, body: dict[str, Any], places: list[tuple[str, str]]
) -> None:
    answer = api.post(CHANGESETS, body)
    problem = answer.json()
    assert_rejected(answer, problem["status"], problem["code"])
    assert pointers(answer) == places
