"""The timeline: append-only, numbered without gaps."""

from __future__ import annotations

from datetime import timedelta

import pytest
from pytest_django import DjangoAssertNumQueries

from dnsorch import clock
from dnsorch.exceptions import CNAMEConflict
from requests_tracker.models import RequestEvent, Step
from requests_tracker.services import timeline
from requests_tracker.services.timeline import Entry
from requests_tracker.tests.factories import NOON, RequestFactory, sequences, steps

pytestmark = pytest.mark.django_db

SENT = Entry(Step.SENT, "sent")
WAITS = Entry(Step.RETRY_SCHEDULED, "waits", "warning", {"at": "noon"})


def test_an_event_tells_what_its_entry_says() -> None:
    request = RequestFactory.create()
    earlier = NOON - timedelta(hours=1)
    with clock.fixed(NOON):
        timeline.append(
            [request.pk], WAITS, Entry(Step.RECEIVED, "received", at=earlier)
        )
    assert list(
        request.events.values_list("sequence", "at", "step", "level", "message", "data")
    ) == [
        (1, NOON, "retry_scheduled", "warning", "waits", {"at": "noon"}),
        (2, earlier, "received", "info", "received", {}),
    ]


def test_each_timeline_is_numbered_by_itself() -> None:
    first, second = RequestFactory.create_batch(2)
    timeline.append([first.pk], SENT)
    timeline.append([second.pk, first.pk], SENT, WAITS)
    assert sequences([first, second]) == [[1, 2, 3], [1, 2]]
    for request in (first, second):
        request.refresh_from_db()
    assert (first.last_sequence, second.last_sequence) == (3, 2)
    assert steps(first) == ["sent", "sent", "retry_scheduled"]


def test_each_request_may_be_told_something_of_its_own() -> None:
    first, second, third = RequestFactory.create_batch(3)
    timeline.append_each({first.pk: [SENT], second.pk: [SENT, WAITS], third.pk: []})
    timeline.append([first.pk, second.pk], WAITS)
    assert sequences([first, second, third]) == [[1, 2], [1, 2, 3], []]


def test_telling_nobody_anything_asks_the_database_nothing(
    django_assert_num_queries: DjangoAssertNumQueries,
) -> None:
    with django_assert_num_queries(0):
        timeline.append([], SENT)
        timeline.append_each({})
    assert RequestEvent.objects.count() == 0


def test_a_failure_keeps_the_code() -> None:
    assert Entry.failure(Step.FAILED, CNAMEConflict("no")) == Entry(
        Step.FAILED, "no", "error", {"code": "cname_conflict"}
    )
