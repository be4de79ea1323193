"""How many SQL statements a call takes: as many for a hundred rows as for one."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from rest_framework.test import APIClient

from dns_records.models import Zone
from dns_records.tests import world
from dns_records.tests.callers import (
    BATCH,
    CHANGESETS,
    RECORDS,
    WWW,
    ZONES,
    caller,
    change,
    changeset,
    record,
)

LIST = f"{ZONES}example.test/rrsets/"
A1, A2 = "192.0.2.1", "192.0.2.2"
# Savepoints stand for the transaction that a test is in already.
TRANSACTION = ("SAVEPOINT", "RELEASE", "BEGIN", "COMMIT", "ROLLBACK", "SET LOCAL")


@pytest.fixture
def api(zone: Zone) -> APIClient:
    """A client whose token's use has been noted for this minute."""
    api = caller()
    assert api.get(ZONES).status_code == 200
    return api


def count(call: Callable[[], Any], status: int) -> int:
    """Return how many statements a call took, those of transactions aside."""
    with CaptureQueriesContext(connection) as context:
        answer = call()
    assert answer.status_code == status, answer.json()
    statements = [each["sql"] for each in context.captured_queries]
    return sum(not each.startswith(TRANSACTION) for each in statements)


def changes(action: str, number: int, *records: str) -> dict[str, Any]:
    """Return a change set of many RRsets."""
    return changeset(*(change(action, f"h{i}", *records) for i in range(number)))


def test_a_record(api: APIClient) -> None:
    assert count(lambda: api.post(RECORDS, record()), 202) == 10
    shown = api.get(RECORDS).json()["results"][0]
    where = shown["links"]["self"]
    assert count(lambda: api.patch(where, {"value": A2}), 202) == 11
    assert count(lambda: api.put(where, {**shown, "ttl": 7}), 202) == 12
    assert count(lambda: api.get(where), 200) == 2
    # One for what points to a name without addresses, here and below.
    assert count(lambda: api.delete(where), 202) == 13


def test_a_key_costs_two(api: APIClient) -> None:
    """It is taken and settled."""
    keyed = {"Idempotency-Key": "k"}
    assert count(lambda: api.post(RECORDS, record(), headers=keyed), 202) == 12
    # The replay: token, key, and an event of the original.
    assert count(lambda: api.post(RECORDS, record(), headers=keyed), 202) == 6


def test_a_rejection(api: APIClient) -> None:
    assert count(lambda: api.post(RECORDS, record(value="x")), 400) == 5
    assert count(lambda: api.post(CHANGESETS, {}), 400) == 4


@pytest.mark.parametrize("number", [1, 50])
def test_a_change_set_of_any_size(api: APIClient, number: int) -> None:
    added = changes("add", number, A1)
    assert count(lambda: api.post(CHANGESETS, added), 202) == 10
    replaced = changes("replace", number, A2)
    assert count(lambda: api.post(CHANGESETS, replaced), 202) == 12
    deleted = changes("delete", number)
    assert count(lambda: api.post(CHANGESETS, deleted), 202) == 13


def test_a_large_change_set_is_written_in_a_few_parts(api: APIClient) -> None:
    """Two INSERTs are split in two: SQLite takes 999 parameters, as Django knows."""
    if connection.vendor != "sqlite":
        pytest.skip("PostgreSQL takes them in one")
    assert count(lambda: api.post(CHANGESETS, changes("add", 100, A1)), 202) == 12


def test_an_rrset(api: APIClient) -> None:
    body = {"records": [A1]}
    assert count(lambda: api.put(WWW, body), 202) == 11
    assert count(lambda: api.put(WWW, body), 202) == 10
    assert count(lambda: api.get(WWW), 200) == 4
    assert count(lambda: api.delete(WWW), 202) == 16


def test_simple_items_of_a_batch_cost_what_one_does(api: APIClient) -> None:
    def items(letter: str, number: int) -> dict[str, Any]:
        one = [changeset(change("add", f"{letter}{i}", A1)) for i in range(number)]
        return {
            "items": [
                {"changeset": each, "idempotency_key": f"{letter}{i}"}
                for i, each in enumerate(one)
            ]
        }

    assert count(lambda: api.post(BATCH, items("a", 1)), 207) == 12
    for letter, number in (("b", 2), ("c", 20)):
        found = count(partial(api.post, BATCH, items(letter, number)), 207)
        assert (number, found) == (number, 12)
    # Another statement for all of them: again, with the events of the originals.
    assert count(lambda: api.post(BATCH, items("c", 20)), 207) == 6


def test_simple_records_of_a_batch_cost_what_two_do(api: APIClient) -> None:
    """Their zones are found in one statement, their answers read in one."""

    def items(letter: str, number: int) -> dict[str, Any]:
        named = [record(f"{letter}{i}.example.test.") for i in range(number)]
        return {"items": [{"record": {"action": "create", **each}} for each in named]}

    few = count(partial(api.post, BATCH, items("a", 2)), 207)
    assert count(partial(api.post, BATCH, items("b", 20)), 207) == few <= 13


@pytest.mark.parametrize("number", [1, 50])
def test_lists(api: APIClient, number: int) -> None:
    for i in range(number - 1):
        world.make_zone(f"z{i}.test.")
    for i in range(number):
        world.post(world.draft("add", f"h{i}", "A", A1, A2))
    for url, expected in (
        (f"{RECORDS}?zone=example.test&type=A&name=h0.example.test", 3),
        (RECORDS, 2),
        (LIST, 4),
        (f"{LIST}?status=pending&rdata={A1}", 4),
        ("/api/v1/requests/", 3),
        ("/api/v2/requests/", 4),
        ("/api/v2/requests/?name=h0.example.test", 4),
        (ZONES, 2),
    ):
        assert count(partial(api.get, url), 200) == expected, url


def test_single_reads(api: APIClient) -> None:
    row = world.post(world.draft("add", "h", "A", A1))
    assert count(lambda: api.get(f"/api/v1/requests/{row.pk}/"), 200) == 3
    assert count(lambda: api.get(f"/api/v2/requests/{row.pk}/"), 200) == 4
    assert count(lambda: api.get(f"/api/v2/requests/{row.pk}/events/"), 200) == 3
    assert count(lambda: api.get(f"{ZONES}example.test/"), 200) == 2


def test_waiting_reads_one_row_each_time(api: APIClient) -> None:
    headers = {"Prefer": "wait=0"}
    body = changes("add", 1, A1)
    assert count(lambda: api.post(CHANGESETS, body, headers=headers), 202) == 10 + 1


def test_a_dry_run(api: APIClient) -> None:
    url = f"{CHANGESETS}?dry_run=true"
    assert count(lambda: api.post(url, changes("add", 50, A1)), 200) == 5
