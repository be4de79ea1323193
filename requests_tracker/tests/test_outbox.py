"""Who publishes, what is next, what is done."""

from __future__ import annotations

import uuid
from datetime import timedelta

import pytest
from django.utils import timezone

from requests_tracker.models import OutboxEvent, PublisherLease
from requests_tracker.services import outbox
from requests_tracker.tests.outbox_factory import outbox_event as event

pytestmark = pytest.mark.django_db


def expire() -> None:
    """Let the lease run out, on the database's clock."""
    PublisherLease.objects.update(expires_at=timezone.now() - timedelta(days=1))


def test_one_holder_at_a_time() -> None:
    token = outbox.take_lease(name="outcomes", holder="one", ttl_s=30)
    assert token == 1
    assert outbox.take_lease(name="outcomes", holder="two", ttl_s=30) is None
    lease = PublisherLease.objects.get()
    assert (lease.name, lease.holder, lease.token) == ("outcomes", "one", 1)
    assert outbox.renew_lease(name="outcomes", token=1, ttl_s=30)


def test_leases_of_other_names_are_free() -> None:
    assert outbox.take_lease(name="a", holder="one", ttl_s=30) == 1
    assert outbox.take_lease(name="b", holder="two", ttl_s=30) == 1


def test_an_expired_lease_passes_on_and_cannot_be_renewed() -> None:
    assert outbox.take_lease(name="outcomes", holder="one", ttl_s=30) == 1
    expire()
    assert not outbox.renew_lease(name="outcomes", token=1, ttl_s=30)
    assert outbox.take_lease(name="outcomes", holder="two", ttl_s=30) == 2
    assert not outbox.renew_lease(name="outcomes", token=1, ttl_s=30)
    outbox.release_lease(name="outcomes", token=1)
    assert outbox.take_lease(name="outcomes", holder="one", ttl_s=30) is None


def test_a_released_lease_is_free_with_a_new_token() -> None:
    assert outbox.take_lease(name="outcomes", holder="one", ttl_s=30) == 1
    outbox.release_lease(name="outcomes", token=1)
    assert outbox.take_lease(name="outcomes", holder="two", ttl_s=30) == 2


def test_the_lease_lasts_as_long_as_asked_on_the_databases_clock() -> None:
    outbox.take_lease(name="outcomes", holder="one", ttl_s=100)
    left = PublisherLease.objects.get().expires_at
    assert left is not None
    assert 90 < (left - timezone.now()).total_seconds() <= 101


def test_pending_is_ordered_by_zone_and_sequence_whatever_the_id() -> None:
    late = event("b.test.", 2)
    early = event("b.test.", 1)
    event("b.test.", 3, published=True)
    first = event("a.test.", 9)
    assert outbox.pending(limit=10) == [first, early, late]
    assert outbox.pending(limit=2) == [first, early]


def test_pending_after_a_zone_and_without_some() -> None:
    nowhere, other = event("", None), event("", None)
    a, b, c = (event(f"{name}.test.", 1) for name in "abc")
    assert outbox.pending(limit=10) == [nowhere, other, a, b, c]
    assert outbox.pending(limit=10, after_zone="") == [a, b, c]
    assert outbox.pending(limit=10, after_zone="a.test.") == [b, c]
    keys = [nowhere.key, "b.test."]
    assert outbox.pending(limit=10, without_keys=keys) == [other, a, c]
    assert outbox.pending(limit=10, without_keys=[str(uuid.uuid4())]) == [
        nowhere,
        other,
        a,
        b,
        c,
    ]


def test_a_rejection_of_a_zone_is_published_too() -> None:
    rejected, completed = event("a.test.", None), event("a.test.", 1)
    assert set(outbox.pending(limit=10)) == {rejected, completed}


def test_mark_published_counts_each_event_once() -> None:
    one, two = event("a.test.", 1), event("a.test.", 2)
    assert outbox.mark_published([one.id]) == 1
    assert outbox.mark_published([one.id, two.id]) == 1
    assert outbox.mark_published([]) == 0
    assert outbox.pending(limit=10) == []
    assert OutboxEvent.objects.filter(published_at__isnull=False).count() == 2
