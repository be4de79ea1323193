"""Prepared statements say what their querysets say, and are compiled once."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime, timedelta
from threading import Thread
from uuid import UUID, uuid4

import pytest
from django.db import IntegrityError, connection, transaction
from django.db.models import F, QuerySet
from django.db.models.functions import Greatest
from django.db.transaction import TransactionManagementError
from django.forms import model_to_dict
from pytest_django import DjangoAssertNumQueries

from dns_records.models import OwnerName, RRset, Zone
from dns_records.tests import world
from dnsorch import clock, prepared
from dnsorch.prepared import Json, Update, UpdateOf
from requests_tracker.models import Request
from requests_tracker.status import Status
from requests_tracker.tests.factories import RequestFactory

compiled: list[str] = []


@prepared.rows
def zones(names: Collection[str]) -> QuerySet[Zone]:
    """Return zones with their backends."""
    compiled.append("zones")
    return Zone.objects.select_related("backend").filter(name__in=names)


@prepared.rows
def rrsets(owners: Collection[int], rtype: str) -> QuerySet[RRset]:
    return RRset.objects.filter(owner__pk__in=owners, type=rtype).order_by("name")


@prepared.rows
def received(
    ids: Collection[UUID], at: datetime, *, states: tuple[Status, ...]
) -> QuerySet[Request, tuple[UUID, datetime]]:
    mine = Request.objects.filter(pk__in=ids, received_at__lte=at, status__in=states)
    return mine.order_by("received_at").values_list("pk", "received_at")


@prepared.rows
def locked(request_id: UUID) -> QuerySet[Request, str]:
    mine = Request.objects.select_for_update().filter(pk=request_id)
    return mine.values_list("status", flat=True)


@prepared.update
def put_off(
    ids: Collection[UUID], events: int, at: datetime | None, error: Json
) -> Update:
    values = {"last_sequence": F("last_sequence") + events, "next_attempt_at": at}
    return Request.objects.filter(pk__in=ids), {**values, "error": error}


@prepared.update
def prolong(request_id: UUID, until: datetime) -> Update:
    later = Greatest("deadline_at", until)
    return Request.objects.filter(pk=request_id), {"deadline_at": later}


@pytest.mark.django_db
def test_rows_are_models_with_what_is_related(
    django_assert_num_queries: DjangoAssertNumQueries,
) -> None:
    known = [world.make_zone(f"z{i}.test.") for i in range(3)]
    with django_assert_num_queries(1):
        found = zones([each.name for each in known])
        assert found == known
        assert [each.backend.driver for each in found] == ["memory"] * 3
    assert zones(["z1.test.", "nobody.test."]) == [known[1]]
    assert zones(()) == []


@pytest.mark.django_db
def test_lengths_share_a_statement_up_to_a_power_of_two() -> None:
    zone = world.make_zone()
    zones([zone.name] * 3)
    compiled.clear()
    for length in (3, 4):
        assert zones([zone.name] * length) == [zone]
    assert compiled == []
    assert zones([*(f"z{i}.test." for i in range(4)), zone.name]) == [zone]
    zones(["a.test."] * 8)
    assert compiled in ([], ["zones"])


@pytest.mark.django_db
def test_many_values() -> None:
    zone = world.make_zone()
    world.post(world.draft("add", "www", "A", "192.0.2.1"))
    owner = OwnerName.objects.get(zone=zone, name__startswith="www")
    others = range(owner.pk + 1, owner.pk + 700)
    (found,) = rrsets([*others, owner.pk], "A")
    assert (found.name, found.owner_id) == (owner.name, owner.pk)
    assert rrsets([owner.pk], "AAAA") == []


@pytest.mark.django_db
def test_tuples_and_values_of_any_type() -> None:
    early, late = RequestFactory.create(), RequestFactory.create()
    now = clock.now()
    Request.objects.filter(pk=early.pk).update(received_at=now)
    Request.objects.filter(pk=late.pk).update(received_at=now + timedelta(seconds=1))
    ids, states = [late.pk, early.pk, uuid4()], (Status.QUEUED, Status.FAILED)
    assert received(ids, now, states=states) == [(early.pk, now)]
    both = received(ids, now + timedelta(seconds=1), states=states)
    assert [pk for pk, _ in both] == [early.pk, late.pk]
    assert received(ids, now, states=(Status.CANCELLED,)) == []


@pytest.mark.django_db
def test_updates_count_what_they_change() -> None:
    first, second = RequestFactory.create(last_sequence=2), RequestFactory.create(
        last_sequence=4
    )
    at = clock.now()
    assert put_off([first.pk, second.pk], 3, at, Json({"code": "x"})) == 2
    assert put_off([uuid4()], 3, at, Json({})) == put_off([], 3, at, Json({})) == 0
    first.refresh_from_db()
    assert (first.last_sequence, first.next_attempt_at) == (5, at)
    assert first.error == {"code": "x"}
    assert put_off([first.pk], 1, None, Json([])) == 1
    first.refresh_from_db()
    assert (first.last_sequence, first.next_attempt_at, first.error) == (6, None, [])


@pytest.mark.django_db
def test_expressions_take_parameters() -> None:
    now = clock.now()
    request = RequestFactory.create(deadline_at=now)
    for offset, expected in ((-1, 0), (1, 1)):
        assert prolong(request.pk, now + timedelta(seconds=offset)) == 1
        request.refresh_from_db()
        assert request.deadline_at == now + timedelta(seconds=expected)


@pytest.mark.django_db(transaction=True)
def test_rows_are_locked_in_a_transaction_only() -> None:
    request = RequestFactory.create()
    with transaction.atomic():
        assert locked(request.pk) == [request.status]
    with pytest.raises(TransactionManagementError):
        locked(request.pk)


@pytest.mark.django_db
def test_an_update_that_fails_spoils_its_transaction() -> None:
    zone = world.make_zone()

    @prepared.update
    def rename(zone_id: int, name: str | None) -> Update:
        return Zone.objects.filter(pk=zone_id), {"name": name}

    with pytest.raises(IntegrityError), transaction.atomic():
        with pytest.raises(IntegrityError):
            rename(zone.pk, None)
        with pytest.raises(TransactionManagementError):
            zones([zone.name])
        raise IntegrityError
    assert rename(zone.pk, "other.test.") == 1


@pytest.mark.django_db(transaction=True)
def test_each_thread_has_its_own() -> None:
    """The connection of a thread that has ended is not held by a statement."""
    zone = world.make_zone()
    compiled.clear()
    found: list[Zone] = []

    def ask() -> None:
        found.extend(zones([zone.name]))
        connection.close()

    for _ in range(2):
        thread = Thread(target=ask)
        thread.start()
        thread.join()
    assert found == [zone, zone]
    assert compiled == ["zones", "zones"]


@prepared.returning
def touch(
    ids: Collection[UUID], events: int, error: Json, *, states: tuple[Status, ...]
) -> UpdateOf[Request]:
    mine = Request.objects.filter(pk__in=ids, status__in=states)
    return mine, {"last_sequence": F("last_sequence") + events, "error": error}


@pytest.mark.django_db
def test_rows_come_back_as_they_are_now() -> None:
    first, second = RequestFactory.create(), RequestFactory.create(last_sequence=4)
    ids, error = [first.pk, second.pk], Json({"code": "x"})
    found = touch(ids, 2, error, states=(Status.QUEUED,))
    stored = list(Request.objects.order_by("pk"))
    for ours, theirs in zip(sorted(found, key=lambda r: r.pk), stored, strict=True):
        assert model_to_dict(ours) == model_to_dict(theirs)
    assert [each.last_sequence for each in stored] == [2, 6]
    assert touch(ids, 2, error, states=(Status.FAILED,)) == []
    assert touch([], 2, error, states=(Status.QUEUED,)) == []
