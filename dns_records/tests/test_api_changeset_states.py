"""/api/v2/changesets/: limits, what is expected to be there, and plans."""

from __future__ import annotations

from typing import Any

import pytest
from rest_framework.test import APIClient

from dns_records.models import Change, RRset, Zone
from dns_records.tests import world
from dns_records.tests.callers import (
    CHANGESETS,
    WWW,
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


def test_a_thousand_changes_and_no_more(api: APIClient, zone: Zone) -> None:
    asked = [change("add", f"h{i}", world.address(i)) for i in range(1001)]
    over = post(api, *asked)
    assert_rejected(over, 400, "invalid")
    assert [where for where, _ in pointers(over)] == ["/changes"]
    assert len(accepted(api, *asked[:1000])["changes"]) == 1000
    deliver(zone)
    assert len(world.served(zone)) == 1000
    marker, sent = world.messages(zone)
    assert len(sent) == 1000


def test_what_does_not_fit_into_one_update_is_refused(api: APIClient) -> None:
    text = '"' + "x" * 250 + '"'
    asked = [
        change("add", f"h{i}", *(f'{text} "{n}"' for n in range(10)), type="TXT")
        for i in range(30)
    ]
    answer = post(api, *asked)
    assert_rejected(answer, 400, "changeset_too_large")
    assert pointers(answer) == [("/changes", "changeset_too_large")]
    assert not RRset.objects.exists()
    planned = api.post(f"{CHANGESETS}?dry_run=true", changeset(*asked))
    assert planned.json()["code"] == "changeset_too_large"


@pytest.mark.parametrize(
    ("expected", "holds"),
    [
        ({"records": [A1, A2]}, True),
        ({"records": [A2, A1], "ttl": 300}, True),
        ({"records": [A1, A2], "ttl": None}, True),
        ({"records": [A1]}, False),
        ({"records": [A1, A2], "ttl": 60}, False),
        (None, False),
    ],
)
def test_expected_of_what_is_there(api: APIClient, expected: Any, holds: bool) -> None:
    accepted(api, change("create", "www", A1, A2))
    asked = change("replace", "www", A3, expected=expected)
    answer = post(api, change("add", "x", A1), asked)
    if holds:
        assert answer.status_code == 202
        return
    assert_rejected(answer, 412, "precondition_failed")
    assert pointers(answer) == [("/changes/1/expected", "precondition_failed")]
    assert answer.json()["current"] == image(A1, A2)


def test_expected_of_what_is_absent(api: APIClient) -> None:
    wrong = post(api, change("add", "www", A1, expected={"records": [A1]}))
    assert_rejected(wrong, 412, "precondition_failed")
    assert wrong.json()["current"] is None
    accepted(api, change("add", "www", A1, expected=None))


def test_the_ttl_of_an_rrset_is_one(api: APIClient) -> None:
    accepted(api, change("create", "www", A1, ttl=300))
    body = accepted(api, change("add", "www", A2, ttl=60))
    assert warnings(body) == [("/changes/0/ttl", "ttl_shared")]
    assert api.get(WWW).json()["ttl"] == 60
    accepted(api, change("replace", "www", A3, ttl=None))
    assert api.get(WWW).json()["ttl"] == 60


def test_names_come_out_canonical(api: APIClient) -> None:
    body = accepted(
        api,
        change("add", "BÜCHER", A1),
        change("add", "@", A1),
        change("add", "Mail.Example.TEST", "WWW.Example.Test.", type="cname"),
        zone="EXAMPLE.test",
    )
    assert body["zone"] == "example.test."
    assert [(each["name"], each["type"]) for each in body["changes"]] == [
        ("xn--bcher-kva.example.test.", "A"),
        ("example.test.", "A"),
        ("mail.example.test.", "CNAME"),
    ]
    assert body["changes"][2]["after"] == image("www.example.test.")


def test_dry_run(api: APIClient, zone: Zone) -> None:
    accepted(api, change("create", "www", A1))
    body = changeset(change("replace", "www", A2), change("add", "a", A3, ttl=60))
    answer = api.post(f"{CHANGESETS}?dry_run=true", body)
    plan = answer.json()
    assert answer.status_code == 200
    assert len(plan.pop("digest")) == 64
    assert plan == {
        "zone": "example.test.",
        "changes": [
            {
                "name": "a.example.test.",
                "type": "A",
                "action": "add",
                "before": None,
                "after": image(A3, ttl=60),
            },
            {
                "name": "www.example.test.",
                "type": "A",
                "action": "replace",
                "before": image(A1),
                "after": image(A2),
            },
        ],
        "warnings": [],
        "unsafe": [],
    }
    assert (Request.objects.count(), Change.objects.count()) == (1, 1)
    assert world.wanted(zone) == {WWW_A: (300, (A1,))}


def test_a_plan_says_what_is_unsafe(api: APIClient) -> None:
    ns = change("create", "@", "ns1.test.", "ns2.test.", type="NS")
    accepted(api, ns, *(change("add", f"h{i}", A1) for i in range(10)))
    body = changeset(
        change("replace", "@", "ns1.test.", "ns3.test.", type="NS"),
        *(change("delete", f"h{i}") for i in range(5)),
    )
    plan = api.post(f"{CHANGESETS}?dry_run=true", body).json()
    assert len(plan["unsafe"]) == 2
