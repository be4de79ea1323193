"""/api/v2/changesets/batch/: what waits after an item that could not be executed."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from uuid import uuid4

import pytest
from django.db import OperationalError
from rest_framework.test import APIClient

from dns_records.models import Zone
from dns_records.services import changes, together
from dns_records.tests import world
from dns_records.tests.batch_calls import add, one, run, statuses
from dns_records.tests.callers import (
    BATCH,
    RECORDS,
    assert_untracked,
    record,
)
from dnsorch.exceptions import DnsorchError, IdempotencyInProgress
from dnsorch.tokens.access import Access
from requests_tracker.models import Request

A1, A2 = "192.0.2.1", "192.0.2.2"


class Failing:
    """Lets one item fail as if the database or another holder stood in the way."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, error: Exception, key: str):
        """Fail the item with the key."""
        self.submit, self.error, self.key = changes.submit, error, key
        self.submit_all = together.submit
        monkeypatch.setattr(changes, "submit", self)
        monkeypatch.setattr(together, "submit", self.together)

    def together(self, asked: Sequence[together.SimpleCall], access: Access) -> None:
        """Submit all, or fail with one of them."""
        if any(each.origin.idempotency_key == self.key for each in asked):
            raise self.error
        self.submit_all(asked, access)

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Submit, or fail."""
        if kwargs["origin"].idempotency_key == self.key:
            raise self.error
        return self.submit(*args, **kwargs)


class Throttled(DnsorchError):
    """Too many."""

    code = "throttled"
    status = 429
    retryable = True


@pytest.mark.parametrize(
    ("error", "status", "code"),
    [
        (IdempotencyInProgress(), 409, "idempotency_in_progress"),
        (OperationalError("database is locked"), 503, "database_busy"),
        (Throttled(), 429, "throttled"),
        (OperationalError("gone"), 503, "database_busy"),
    ],
)
def test_after_a_failure_later_items_of_the_zone_wait(
    api: APIClient,
    monkeypatch: pytest.MonkeyPatch,
    error: Exception,
    status: int,
    code: str,
) -> None:
    world.make_zone("example.org.")
    world.make_zone("sub.example.test.")
    pk = api.post(RECORDS, record("r.example.test.")).json()["record"]["id"]
    Failing(monkeypatch, error, "k")
    results = run(
        api,
        add("a"),
        add("b", idempotency_key="k"),
        add("c"),
        add("d", zone="EXAMPLE.test"),
        one("create", **record("e.example.test.")),
        one("delete", id=pk),
        one("delete", **record("r.example.test.")),
        one("create", **record("www.sub.example.test.")),
        add("f", zone="example.org."),
    )
    assert statuses(results) == [202, status, *[424] * 5, 202, 202]
    assert results[1]["body"]["code"] == code
    for waiting in results[2:7]:
        assert waiting["body"]["code"] == "earlier_item_failed"
    # Neither is a rejection: both are to be posted again.
    assert all("request_id" not in each["body"] for each in results[1:7])
    assert Request.objects.count() == 4


def test_where_the_zone_of_a_failure_is_not_known_all_wait(
    api: APIClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    Failing(monkeypatch, OperationalError("gone"), "k")
    strange = one("delete", id=str(uuid4())) | {"idempotency_key": "k"}
    results = run(api, add("a"), strange, add("b"))
    assert statuses(results) == [202, 503, 424]


def test_dry_run(api: APIClient, zone: Zone) -> None:
    items = [add("a"), one("create", **record("b.example.test.")), one("delete")]
    answer = api.post(f"{BATCH}?dry_run=true", {"items": items})
    results = answer.json()["results"]
    assert (answer.status_code, statuses(results)) == (207, [200, 200, 400])
    assert [each["body"].get("zone") for each in results[:2]] == ["example.test."] * 2
    assert "request_id" not in results[2]["body"]
    assert (Request.objects.count(), world.wanted(zone)) == (0, {})
    refused = api.post(f"{BATCH}?dry_run=true", {"items": []})
    assert_untracked(refused, 400, "invalid")
