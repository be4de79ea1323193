"""What a person asks of a request that is there."""

from __future__ import annotations

import pytest
from pytest_django import DjangoCaptureOnCommitCallbacks

from dns_records.models import Change, Lane, Zone
from dns_records.providers.memory import Faults, Store
from dns_records.services import delivery, operations, wake
from dns_records.tests.conftest import Broker
from dns_records.tests.world import (
    ANYONE,
    add,
    draft,
    fresh,
    post,
    served,
    states,
    told,
    wanted,
)
from dnsorch.exceptions import Forbidden, IllegalTransition
from dnsorch.tokens.access import Access
from requests_tracker.models import Request
from requests_tracker.tests.factories import DOOR, origin

pytestmark = pytest.mark.django_db

READER = Access("team-web", read_only=True)


def retry(request: Request) -> Request:
    """Retry a failed request; return the new one."""
    answer = operations.retry(ANYONE, origin(), request, DOOR)
    assert answer.request_id is not None
    return Request.objects.get(pk=answer.request_id)


def test_a_queued_request_is_cancelled(zone: Zone) -> None:
    request = add("www", "192.0.2.1")
    operations.cancel(ANYONE, request)
    assert fresh(request).status == "cancelled"
    assert told(request) == ["cancelled"]
    assert wanted(zone) == {}
    with pytest.raises(IllegalTransition):
        operations.cancel(ANYONE, fresh(request))


def test_who_may_only_read_changes_nothing(zone: Zone) -> None:
    request = add("www", "192.0.2.1")
    for act in (operations.cancel, operations.hurry):
        with pytest.raises(Forbidden):
            act(READER, request)
    assert states() == ["queued"]
    assert told(request) == []


def test_a_queued_request_is_tried_again_now(
    zone: Zone,
    store: Store,
    broker: Broker,
    django_capture_on_commit_callbacks: DjangoCaptureOnCommitCallbacks,
) -> None:
    store.faults = Faults(unreachable=True)
    request = add("www", "192.0.2.1")
    delivery.drain(zone.pk)
    assert fresh(request).next_attempt_at is not None
    with django_capture_on_commit_callbacks(execute=True):
        operations.hurry(ANYONE, request)
    assert broker.sent == [(wake.DELIVER, zone.pk)]
    assert fresh(request).next_attempt_at is None
    assert Lane.objects.get().not_before is None
    store.faults = Faults()
    delivery.drain(zone.pk)
    assert fresh(request).status == "verifying"
    with pytest.raises(IllegalTransition):
        operations.hurry(ANYONE, request)


def test_a_request_that_is_not_queued_hurries_no_lane(zone: Zone, store: Store) -> None:
    store.faults = Faults(unreachable=True)
    request = add("www", "192.0.2.1")
    delivery.drain(zone.pk)
    operations.cancel(ANYONE, fresh(request))
    with pytest.raises(IllegalTransition):
        operations.hurry(ANYONE, request)
    assert Lane.objects.get().not_before is not None


def test_a_failed_request_is_asked_for_again_as_a_new_one(
    zone: Zone, store: Store
) -> None:
    delivery.drain(zone.pk)
    store.faults = Faults(refuse_names=frozenset({"www.example.test."}))
    first = post(draft("create", "www", "A", "192.0.2.1"))
    delivery.drain(zone.pk)
    assert fresh(first).status == "failed"
    store.faults = Faults()
    again = retry(fresh(first))
    assert (again.retry_of, again.status) == (first, "queued")
    assert (again.zone, again.name, again.type) == (
        "example.test.",
        "www.example.test.",
        "A",
    )
    delivery.drain(zone.pk)
    assert (
        served(zone)
        == wanted(zone)
        == {("www.example.test.", "A"): (300, ("192.0.2.1",))}
    )
    assert states() == ["failed", "verifying"]
    assert [change.action for change in Change.objects.order_by("id")] == [
        "create",
        "create",
    ]


def test_a_request_that_is_under_way_is_not_asked_for_again(zone: Zone) -> None:
    request = add("www", "192.0.2.1")
    with pytest.raises(IllegalTransition):
        retry(request)
    assert Request.objects.count() == 1
