"""What ``manage.py prune_requests`` forgets, and what it never touches."""

from __future__ import annotations

from datetime import timedelta
from io import StringIO

import pytest
from django.core.management import CommandError, call_command

from dns_records.models import AuditTask, Batch, Change, Lane, Zone
from dns_records.services import (
    audits,
    delivery,
    drift_requests,
    retention,
    verification,
)
from dns_records.tests.world import (
    ANYONE,
    add,
    draft,
    fresh,
    hurry,
    post,
    put_into_dns,
    served,
    wanted,
)
from dnsorch import clock
from requests_tracker.models import IdempotencyKey, OutboxEvent, Request, RequestEvent

pytestmark = pytest.mark.django_db

A = "192.0.2.1"


def prune(*arguments: str) -> list[str]:
    """Run the command; return the lines that it prints."""
    out, progress = StringIO(), StringIO()
    call_command("prune_requests", *arguments, stdout=out, stderr=progress)
    return [*progress.getvalue().splitlines(), *out.getvalue().splitlines()]


def done(zone: Zone, *names: str, key: str = "") -> list[Request]:
    """Return requests that are completed and published, 500 days ago."""
    made = [post(draft("add", name, "A", A), key=key) for name in names]
    hurry(zone)
    delivery.drain(zone.pk)
    verification.check(zone.pk)
    OutboxEvent.objects.update(published_at=clock.now())
    grow_old(*made)
    return made


def grow_old(*requests: Request, days: int = 500) -> None:
    """Let requests have been final so many days ago."""
    then = clock.now() - timedelta(days=days)
    ids = [request.pk for request in requests]
    Request.objects.filter(pk__in=ids).update(completed_at=then)
    IdempotencyKey.objects.filter(request__in=ids).update(created_at=then)


def left() -> list[str]:
    """Return the names that requests are about which are not forgotten."""
    names = Request.objects.order_by("pk").values_list("name", flat=True)
    return [name.split(".")[0] for name in names]


def test_what_is_old_is_forgotten_with_all_that_is_its_own(zone: Zone) -> None:
    (old,) = done(zone, "old", key="old")
    (new,) = done(zone, "new", key="new")
    grow_old(new, days=5)

    assert prune("--dry-run") == [
        "1 request(s) would be forgotten",
        "1 idempotency key(s) would be forgotten",
        "0 message(s) would be forgotten",
    ]
    assert left() == ["old", "new"]
    assert prune() == [
        "1 idempotency key(s) forgotten",
        "1 request(s) forgotten",
        "0 message(s) forgotten",
    ]

    assert left() == ["new"]
    for model in (RequestEvent, Change, IdempotencyKey, OutboxEvent):
        assert set(model.objects.values_list("request", flat=True)) == {new.pk}
    # What is wanted and what is live are as they were.
    assert len(served(zone)) == len(wanted(zone)) == 2
    assert prune("--older-than", "1")[1] == "0 request(s) forgotten"  # its key acts
    assert prune("--older-than", "5.5") == prune()


def test_an_open_request_is_never_forgotten(zone: Zone) -> None:
    request = add("open", A)
    Request.objects.update(received_at=clock.now() - timedelta(days=9999))
    assert prune("--older-than", "0")[1] == "0 request(s) forgotten"
    assert fresh(request).status == "queued"


def test_what_waits_to_be_published_is_kept(zone: Zone) -> None:
    done(zone, "old")
    OutboxEvent.objects.update(published_at=None)
    prune()
    assert left() == ["old"]


@pytest.mark.parametrize("link", ["retry_of", "revert_of"])
def test_what_an_open_request_refers_to_is_kept(zone: Zone, link: str) -> None:
    first, second, third = done(zone, "retried", "superseding", "nobody")
    retry = add("again", A)
    Request.objects.filter(pk=retry.pk).update(**{link: first})
    superseded = add("below", A)
    Change.objects.filter(request=superseded).update(
        superseded_by=Change.objects.get(request=second)
    )
    prune()
    assert left() == ["retried", "superseding", "again", "below"]

    Request.objects.filter(pk__in=[retry.pk, superseded.pk]).update(
        status="cancelled", completed_at=clock.now()
    )
    prune()
    assert left() == ["again", "below"]


def test_what_drift_and_its_resolution_refer_to(zone: Zone) -> None:
    (old,) = done(zone, "old")
    put_into_dns(zone, "old.example.test.", "A", "192.0.2.9")
    drift_requests.audit(zone, ANYONE)
    audits.run_due(zone.pk)
    made = drift_requests.resolve(zone, ANYONE, by="restore").request_id
    assert made is not None
    audits.run_due(zone.pk)  # its change set is on its way
    delivery.drain(zone.pk)
    verification.check(zone.pk)
    OutboxEvent.objects.update(published_at=clock.now())
    grow_old(*Request.objects.filter(completed_at__isnull=False))
    (restored,) = Request.objects.filter(action="reconcile")
    assert restored.status == "completed"

    prune()

    # The drift does without the request that wrote the RRset, the restore not.
    assert set(Request.objects.all()) == {restored, Request.objects.get(pk=made)}
    AuditTask.objects.update(due_at=clock.database_now())
    audits.run_due(zone.pk)
    assert Request.objects.get(pk=made).status == "completed"


def test_a_key_acts_for_as_long_as_it_should(zone: Zone, settings: object) -> None:
    done(zone, "old", key="key")
    IdempotencyKey.objects.update(created_at=clock.now() - timedelta(days=29))
    prune()
    assert left() == ["old"]
    again = post(draft("add", "old", "A", A), key="key")
    assert again.pk == Request.objects.get().pk


def test_much_is_forgotten_a_little_at_a_time(zone: Zone) -> None:
    done(zone, *(f"n{number}" for number in range(7)))
    assert prune("--batch", "3") == [
        "3 request(s) so far",
        "6 request(s) so far",
        "0 idempotency key(s) forgotten",
        "7 request(s) forgotten",
        "0 message(s) forgotten",
    ]


def test_old_messages_go_and_the_last_ones_stay(zone: Zone) -> None:
    for number in range(retention.MESSAGES_KEPT + 2):
        done(zone, f"n{number}")
    Batch.objects.update(decided_at=clock.now() - timedelta(days=500))
    assert prune()[-1] == "2 message(s) forgotten"
    numbers = list(Batch.objects.order_by("number").values_list("number", flat=True))
    assert numbers == list(range(3, 13))
    assert Lane.objects.get().batch_number == 12


def test_what_becomes_needed_meanwhile_is_kept(
    zone: Zone, monkeypatch: pytest.MonkeyPatch
) -> None:
    (old,) = done(zone, "old")
    prunable = retention.prunable
    asked: list[int] = []

    def and_retry(before: object) -> object:
        found = prunable(before)  # type: ignore[arg-type]
        asked.append(1)
        if len(asked) == 2:
            retry = add("again", A)
            Request.objects.filter(pk=retry.pk).update(retry_of=old)
        return found

    monkeypatch.setattr(retention, "prunable", and_retry)
    assert retention.prune_requests(clock.now(), 10) == 0
    assert left() == ["old", "again"]


@pytest.mark.parametrize(
    "arguments", [("--older-than", "-1"), ("--batch", "0"), ("--batch", "10001")]
)
def test_a_number_that_cannot_be_is_refused(
    db: None, arguments: tuple[str, str]
) -> None:
    with pytest.raises(CommandError):
        prune(*arguments)
