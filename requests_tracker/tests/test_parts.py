"""A request with parts: settled when they are, never stuck, told once."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

import pytest
from django.db import connection

from dnsorch.exceptions import Conflict, DnsorchError
from requests_tracker.models import OutboxEvent, Request, Step
from requests_tracker.services import lifecycle, retention
from requests_tracker.services.timeline import Entry
from requests_tracker.status import Status
from requests_tracker.tests.factories import NOON, origin, steps

pytestmark = pytest.mark.django_db(transaction=True)

WAY = (Status.PROVISIONING, Status.VERIFYING, Status.COMPLETED)


def whole(*zones: str, count: int | None = -1, **fields: object) -> Request:
    """Store a request with a part for each zone."""
    asked = origin("key-1")
    parent = asked.request()
    for name, value in fields.items():
        setattr(parent, name, value)
    count = len(zones) if count == -1 else count
    lifecycle.open_parent(parent, [asked.received()], count=count)
    for zone in zones:
        lifecycle.open_queued(lifecycle.part(parent, zone=zone), [asked.received()])
    return parent


def parts(parent: Request) -> list[Request]:
    """Return the parts as they are now."""
    return list(parent.parts.order_by("pk"))


def move(part: Request, *ways: Status, error: DnsorchError | None = None) -> None:
    """Move a part on, as those who deliver do."""
    for to in ways:
        lifecycle.move(
            [part.pk],
            to,
            [Entry(Step.SENT, "moved")],
            take_sequence=lambda count: count,
            errors={part.pk: error} if error else None,
        )


def state(parent: Request) -> str:
    """Return the state of the whole now."""
    parent.refresh_from_db()
    return parent.status


def about_parts(parent: Request) -> list[tuple[str, str]]:
    """Return what the timeline of the whole tells of its parts."""
    rows = parent.events.order_by("sequence").values_list("step", "data")
    return [(step, data["zone"]) for step, data in rows if "part" in data]


def test_a_part_is_asked_for_as_the_whole_is() -> None:
    parent = whole("a.test.")
    (part,) = parts(parent)
    assert (part.requester, part.source, part.correlation_id) == (
        parent.requester,
        parent.source,
        parent.correlation_id,
    )
    assert (parent.idempotency_key, part.idempotency_key) == ("key-1", "")
    assert (parent.deadline_at, part.deadline_at is None) == (None, False)


def test_the_whole_follows_its_parts_to_the_end() -> None:
    parent = whole("a.test.", "b.test.")
    first, second = parts(parent)
    seen = [state(parent)]
    for part, to in [(p, to) for to in WAY for p in (first, second)]:
        move(part, to)
        seen.append(state(parent))
    assert seen == [
        "queued",
        "provisioning",
        "provisioning",
        "provisioning",
        "verifying",
        "verifying",
        "completed",
    ]
    assert about_parts(parent) == [("verified", "a.test."), ("verified", "b.test.")]
    assert steps(parent)[-1] == "completed"
    assert parent.error is None and parent.completed_at is not None


def test_each_has_an_outcome_and_that_of_the_whole_is_the_last() -> None:
    parent = whole("a.test.", "b.test.")
    for part in parts(parent):
        move(part, *WAY)
    rows = OutboxEvent.objects.order_by("pk").values_list("zone", "type", "event_seq")
    assert list(rows) == [
        ("a.test.", "completed", 1),
        ("b.test.", "completed", 1),
        ("", "completed", None),
    ]
    assert OutboxEvent.objects.get(request=parent).key == str(parent.pk)


def test_a_part_that_failed_fails_the_whole_once_all_have_ended() -> None:
    parent = whole("a.test.", "b.test.", "c.test.")
    first, second, third = parts(parent)
    move(second, Status.FAILED, error=Conflict("no"))
    assert state(parent) == "provisioning"
    move(first, *WAY)
    move(third, Status.CANCELLED)
    assert (state(parent), parent.error_code) == ("failed", "parts_failed")
    assert parent.error == {
        "code": "parts_failed",
        "detail": "2 of 3 parts did not complete: a.test. is completed; "
        "b.test. is failed; c.test. is cancelled",
        "errors": [
            {
                "pointer": "/parts/1",
                "code": "conflict",
                "detail": f"b.test.: failed: no (request {second.pk})",
            },
            {
                "pointer": "/parts/2",
                "code": "cancelled",
                "detail": f"c.test.: cancelled (request {third.pk})",
            },
        ],
    }
    assert about_parts(parent) == [
        ("failed", "b.test."),
        ("verified", "a.test."),
        ("cancelled", "c.test."),
    ]


def test_what_goes_back_into_the_queue_takes_the_whole_with_it() -> None:
    parent = whole("a.test.", "b.test.")
    first, second = parts(parent)
    move(first, Status.PROVISIONING, Status.QUEUED)
    assert state(parent) == "queued"
    move(first, Status.CANCELLED)
    move(second, Status.CANCELLED)
    assert (state(parent), steps(parent)[-1]) == ("cancelled", "cancelled")


def test_while_parts_are_to_come_it_is_not_final() -> None:
    parent = whole("a.test.", count=None)
    (part,) = parts(parent)
    move(part, *WAY)
    assert state(parent) == "provisioning"
    assert lifecycle.unsettled(10) == []
    lifecycle.close_parts(parent.pk)
    assert (state(parent), parent.parts_expected) == ("completed", 1)


def test_a_follow_up_that_was_lost_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    parent = whole("a.test.")
    (part,) = parts(parent)
    with monkeypatch.context() as patched:
        patched.setattr(lifecycle, "settle_later", lambda moved: None)
        assert lifecycle.unsettled(10) == []
        move(part, *WAY)
    assert (state(parent), lifecycle.unsettled(10)) == ("queued", [parent.pk])
    for _ in range(2):
        lifecycle.settle(parent.pk)
    assert (state(parent), lifecycle.unsettled(10)) == ("completed", [])
    assert about_parts(parent) == [("verified", "a.test.")]


def test_a_part_that_is_rejected_ends_the_whole() -> None:
    parent = whole(count=1)
    part = lifecycle.part(parent, zone="a.test.")
    lifecycle.open_rejected(part, Conflict("no"), [])
    assert (state(parent), about_parts(parent)) == ("failed", [("rejected", "a.test.")])


def test_a_part_is_kept_while_the_whole_is_open() -> None:
    parent = whole("a.test.", "b.test.")
    first, second = parts(parent)
    move(first, *WAY)
    OutboxEvent.objects.update(published_at=NOON)
    later = first.received_at.replace(year=first.received_at.year + 1)
    assert list(retention.prunable(later)) == []
    move(second, *WAY)
    OutboxEvent.objects.update(published_at=NOON)
    assert set(retention.prunable(later)) == {parent, first, second}


def _end_all(own: Sequence[Request]) -> None:
    """End the parts, each on a connection of its own, as nearly at once as we can."""
    together = Barrier(len(own))

    def end(part: Request) -> None:
        try:
            move(part, *WAY[:2])
            together.wait(timeout=30)
            move(part, WAY[2])
        finally:
            connection.close()

    with ThreadPoolExecutor(len(own)) as pool:
        list(pool.map(end, own))


def test_the_last_parts_end_at_once() -> None:
    for _ in range(10):
        parent = whole("a.test.", "b.test.", "c.test.")
        _end_all(parts(parent))
        assert state(parent) == "completed"
        assert len(about_parts(parent)) == 3
        assert OutboxEvent.objects.filter(request=parent).count() == 1
