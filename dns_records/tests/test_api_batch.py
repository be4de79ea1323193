"""/api/v2/changesets/batch/: independent items, each a tracked request of its own."""

from __future__ import annotations

from typing import Any
from uuid import uuid4

import pytest
from rest_framework.test import APIClient

from dns_records.models import Record, Zone
from dns_records.tests import world
from dns_records.tests.batch_calls import add, one, run, statuses
from dns_records.tests.callers import (
    BATCH,
    CHANGESETS,
    RECORDS,
    assert_rejected,
    caller,
    change,
    changeset,
    deliver,
    pointers,
    record,
)
from requests_tracker.models import Request

A1, A2 = "192.0.2.1", "192.0.2.2"


def row_of(result: dict[str, Any]) -> Request:
    """Return the request of an item, accepted or rejected."""
    body = result["body"]
    return Request.objects.get(pk=body.get("request_id") or body["id"])


def assert_tracked(result: dict[str, Any], status: int, code: str) -> Request:
    """Check the rejection of an item and its row; return the row."""
    body = result["body"]
    assert (result["status"], body["code"]) == (status, code), body
    row = row_of(result)
    assert (row.status, row.error_code) == ("rejected", code)
    assert body["instance"] == f"/api/{row.api_version}/requests/{row.pk}/"
    return row


def test_items_are_executed_in_order_and_answered_in_order(
    api: APIClient, zone: Zone
) -> None:
    results = run(
        api,
        add("a"),
        {"changeset": changeset(change("replace", "a", A2))},
        {"changeset": changeset(change("delete", "a"))},
        {"changeset": changeset(change("create", "a", A1))},
    )
    assert statuses(results) == [202] * 4
    ids = [each["body"]["id"] for each in results]
    assert ids == sorted(ids)
    assert world.wanted(zone) == {("a.example.test.", "A"): (300, (A1,))}
    deliver(zone)
    assert world.states() == ["completed"] * 4


def test_the_bodies_are_those_of_a_single_post(api: APIClient) -> None:
    of_changeset, of_record = run(
        api, add("a"), one("create", **record("b.example.test."))
    )
    single = api.post(CHANGESETS, changeset(change("add", "c", A1))).json()
    assert sorted(of_changeset["body"]) == sorted(single)
    request = api.get(of_changeset["body"]["links"]["self"]).json()
    assert request == of_changeset["body"]
    single = api.post(RECORDS, record("d.example.test.")).json()
    assert sorted(of_record["body"]) == sorted(single)
    shown = of_record["body"]["record"]
    assert api.get(shown["links"]["self"]).json() == shown
    rows = [row_of(of_changeset), row_of(of_record)]
    assert [(row.api_version, row.action) for row in rows] == [
        ("v2", "changeset"),
        ("v1", "create"),
    ]


def test_an_item_that_is_rejected_leaves_the_others_alone(
    api: APIClient, zone: Zone
) -> None:
    results = run(
        api,
        add("a"),
        {"changeset": changeset(change("add", "b", A1), change("delete", "x"))},
        one("create", **record("a.example.test.")),
        add("x", zone="nowhere.test."),
        add("c"),
    )
    assert statuses(results) == [202, 409, 409, 404, 202]
    assert_tracked(results[1], 409, "rrset_not_found")
    assert_tracked(results[2], 409, "record_exists")
    assert_tracked(results[3], 404, "zone_not_found")
    assert pointers_of(results[1]) == [("/changes/1", "rrset_not_found")]
    assert sorted(name for name, _ in world.wanted(zone)) == [
        "a.example.test.",
        "c.example.test.",
    ]


def pointers_of(result: dict[str, Any]) -> list[tuple[str, str]]:
    """Return where an item is wrong, and the code of each mistake."""
    return [(each["pointer"], each["code"]) for each in result["body"]["errors"]]


@pytest.mark.parametrize(
    "item",
    [
        None,
        1,
        "text",
        [],
        {},
        {"changeset": None},
        {"changeset": []},
        {"changeset": {}},
        {"record": None},
        {"record": "x"},
        {"record": {}},
        {"changeset": {}, "record": {}},
        add("a", colour="red"),
        add("a", idempotency_key=1),
        add("a", idempotency_key=""),
        add("a", idempotency_key="a b"),
        add("a", idempotency_key="x" * 256),
        add("a", correlation_id="no good"),
        add("a", correlation_id=["x"]),
        add("a", traceparent=1),
        add("a", on_behalf_of=1),
        add("a", on_behalf_of="x" * 256),
        one("upsert", **record()),
        one("create"),
        one("create", **record(), id=str(uuid4())),
        one("create", **record(), new={"ttl": 1}),
        one("create", **record(ttl="x")),
        one("update", id="x", new={"ttl": 1}),
        one("update", id=1, new={"ttl": 1}),
        one("update", id=str(uuid4())),
        one("update", id=str(uuid4()), new={}),
        one("update", id=str(uuid4()), new={"name": "x"}),
        one("update", id=str(uuid4()), new={"ttl": 1}, ttl=1),
        one("update", id=str(uuid4()), **record(), new={"ttl": 1}),
        one("update", name="www.example.test.", type="A", new={"ttl": 1}),
        one("update", **record(value="x"), new={"ttl": 1}),
        one("delete"),
        one("delete", id=str(uuid4()), ttl=1),
        one("delete", **record(ttl=60)),
        one("delete", **record(type="XXX")),
        one("delete", **record("a..b")),
    ],
)
def test_a_wrong_item_is_a_tracked_rejection(api: APIClient, item: Any) -> None:
    """Else the Kafka consumer would post it for ever."""
    wrong, right = run(api, item, add("right"))
    assert_tracked(wrong, 400, wrong["body"]["code"])
    assert right["status"] == 202
    assert not Record.objects.exclude(rrset__name="right.example.test.").exists()


@pytest.mark.parametrize(
    ("item", "places"),
    [
        (one("create", **record(value="x")), [("/value", "invalid_rdata")]),
        (one("create", **record("a..b")), [("/name", "invalid_name")]),
        (
            {"changeset": changeset(change("add", "w", A1, "x"))},
            [("/changes/0/records/1", "invalid_rdata")],
        ),
        (add("w", correlation_id="no good"), [("/correlation_id", "invalid")]),
        (add("w", idempotency_key="a b"), [("/idempotency_key", "invalid")]),
    ],
)
def test_an_items_pointers_are_into_its_change(
    api: APIClient, item: Any, places: list[tuple[str, str]]
) -> None:
    (result,) = run(api, item)
    assert pointers_of(result) == places


@pytest.mark.parametrize("body", [{}, {"items": None}, {"items": {}}, [], "x", None])
def test_a_body_without_a_list_is_rejected_as_a_whole(
    api: APIClient, body: Any
) -> None:
    answer = api.post(BATCH, body)
    assert_rejected(answer, 400, "invalid")
    assert Request.objects.get().action == "batch"


@pytest.mark.parametrize("count", [0, 501])
def test_one_to_500_items(api: APIClient, count: int) -> None:
    answer = api.post(BATCH, {"items": [{}] * count})
    assert_rejected(answer, 400, "invalid")
    assert pointers(answer) == [("/items", "invalid")]


def test_another_member_is_refused(api: APIClient) -> None:
    answer = api.post(BATCH, {"items": [add("a")], "zone": "example.test."})
    assert_rejected(answer, 400, "invalid")
    assert pointers(answer) == [("/zone", "invalid")]
    assert not Record.objects.exists()


def test_records_by_name_type_and_value(api: APIClient, zone: Zone) -> None:
    results = run(
        api,
        one("create", **record(ttl=60)),
        one("create", name="www", type="a", value=A2, zone="example.test"),
        one("update", **record("WWW.example.test"), new={"value": "192.0.2.9"}),
        one("update", **record(value=A2, zone="example.test"), new={"comment": "x"}),
        one("delete", name="www", type="A", value="192.0.2.9", zone="example.test."),
        one("delete", **record()),
    )
    assert statuses(results) == [202] * 5 + [404]
    assert_tracked(results[5], 404, "record_not_found")
    assert [row_of(each).action for each in results] == [
        *("create", "create", "update", "update", "delete", "delete"),
    ]
    kept = Record.objects.get()
    assert (kept.rdata, kept.comment, kept.rrset.ttl) == (A2, "x", 60)
    first, changed = results[0]["body"]["record"], results[2]["body"]["record"]
    assert first["id"] == changed["id"]


def test_records_by_id(api: APIClient, zone: Zone) -> None:
    pk = api.post(RECORDS, record()).json()["record"]["id"]
    results = run(
        api,
        one("update", id=pk, new={"value": A2, "ttl": 60}),
        one("delete", id=pk),
        one("delete", id=pk),
    )
    assert statuses(results) == [202, 202, 404]
    assert results[0]["body"]["record"]["id"] == pk
    assert_tracked(results[2], 404, "not_found")


def test_another_tokens_records_are_404(api: APIClient) -> None:
    pk = api.post(RECORDS, record()).json()["record"]["id"]
    world.make_zone("mail.test.")
    limited = caller("team-mail", zones=["mail.test."])
    results = run(
        limited,
        add("www"),
        one("create", **record(value=A2)),
        one("delete", id=pk),
        one("delete", **record()),
        add("www", zone="mail.test."),
    )
    assert statuses(results) == [404, 404, 404, 404, 202]
    for result, code in zip(
        results, ["zone_not_found"] * 2 + ["not_found", "zone_not_found"], strict=False
    ):
        assert_tracked(result, 404, code)


def test_keys_of_items_and_of_the_batch(api: APIClient) -> None:
    items = [add("a"), add("b", idempotency_key="mine"), add("c")]
    first = run(api, *items, **{"Idempotency-Key": "k"})
    keys = [row_of(each).idempotency_key for each in first]
    assert keys == ["k/0", "mine", "k/2"]
    assert [each["replayed"] for each in first] == [False] * 3
    again = run(api, *items, **{"Idempotency-Key": '"k"'})
    assert [each["replayed"] for each in again] == [True] * 3
    assert [each["body"] for each in again] == [each["body"] for each in first]
    assert Request.objects.count() == 3


def test_one_key_twice_in_a_batch(api: APIClient) -> None:
    results = run(
        api,
        add("a", idempotency_key="k"),
        add("a", idempotency_key="k"),
        add("b", idempotency_key="k"),
    )
    assert statuses(results) == [202, 202, 422]
    assert [each["replayed"] for each in results] == [False, True, False]
    row = assert_tracked(results[2], 422, "idempotency_key_reused")
    assert row.idempotency_key == ""


def test_a_rejection_is_replayed(api: APIClient) -> None:
    item = {"changeset": changeset(change("delete", "x")), "idempotency_key": "k"}
    first, again = run(api, item, item)
    assert (again["body"], again["replayed"]) == (first["body"], True)
    assert again["status"] == 409


def test_a_wrong_key_of_the_batch_is_refused(api: APIClient) -> None:
    answer = api.post(BATCH, {"items": [add("a")]}, headers={"Idempotency-Key": "a b"})
    assert_rejected(answer, 400, "invalid")
    assert not Record.objects.exists()


def test_where_an_item_comes_from(zone: Zone) -> None:
    parent = f"00-{'1' * 32}-{'2' * 16}-01"
    about = {
        "correlation_id": "ci-7",
        "traceparent": parent,
        "on_behalf_of": "ci://web",
    }
    bare: dict[str, Any] = {
        "correlation_id": None,
        "traceparent": None,
        "on_behalf_of": None,
    }
    consumer = caller("kafka", source="kafka")
    items = [add("a", **about), add("b", traceparent="nonsense"), add("c", **bare)]
    answer = consumer.post(BATCH, {"items": items}, headers={"X-Request-ID": "batch-1"})
    rows = [row_of(each) for each in answer.json()["results"]]
    assert [
        (row.correlation_id, row.traceparent, row.on_behalf_of, row.source)
        for row in rows
    ] == [
        ("ci-7", parent, "ci://web", "kafka"),
        ("batch-1", "", "", "kafka"),
        ("batch-1", "", "", "kafka"),
    ]
    assert answer.json()["results"][0]["body"]["on_behalf_of"] == "ci://web"


def test_an_item_without_a_trace_belongs_to_that_of_its_batch(zone: Zone) -> None:
    batch, own = (f"00-{digit * 32}-{'2' * 16}-01" for digit in "34")
    items = [add("a"), add("b", traceparent=own), add("c", traceparent="nonsense")]
    answer = caller().post(BATCH, {"items": items}, headers={"traceparent": batch})
    rows = [row_of(each) for each in answer.json()["results"]]
    assert [row.traceparent for row in rows] == [batch, own, batch]


@pytest.mark.parametrize("source", ["rest", "admin", "command", "schedule"])
def test_nobody_else_says_for_whom_it_stands(zone: Zone, source: str) -> None:
    (result,) = run(caller(source=source), add("a", on_behalf_of="ci://web"))
    row = row_of(result)
    assert (row.on_behalf_of, row.source) == ("", source)
