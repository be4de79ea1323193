"""INSERTs of many rows, as they are found afterwards."""

from __future__ import annotations

import pytest
from django.db import IntegrityError, transaction
from django.db.transaction import TransactionManagementError
from django.forms import model_to_dict

from dns_records.models import Change, OwnerName, RRset
from dns_records.models.backend import Backend
from dns_records.tests import world
from dnsorch import bulk, clock
from requests_tracker.models import IdempotencyKey, Request, RequestEvent
from requests_tracker.services.lifecycle import Origin
from requests_tracker.tests.factories import RequestFactory, origin

COUNTS = (1, 2, 700)


def key_row(key: str, **fields: object) -> IdempotencyKey:
    """Return a key that is not stored."""
    return IdempotencyKey(
        owner="me", key=key, fingerprint="", created_at=clock.now(), **fields
    )


@pytest.mark.django_db
@pytest.mark.parametrize("count", COUNTS)
def test_all_fields_arrive(count: int) -> None:
    """Texts, times, UUIDs, JSON and what is not there, with keys by the database."""
    request, now = RequestFactory.create(), clock.now()
    events = [
        RequestEvent(
            request=request,
            sequence=100 + i,
            at=now,
            step="sent",
            level="info",
            message=f"it's \\ a {{brace}} %s, ü {i}",
            data={"i": i, "nothing": None, "more": ["a", {"b": True}]} if i % 2 else {},
        )
        for i in range(count)
    ]
    bulk.insert(events)
    assert len({each.pk for each in events}) == count
    stored = list(request.events.filter(sequence__gte=100).order_by("sequence"))
    assert [each.pk for each in stored] == [each.pk for each in events]
    for made, found in zip(events, stored, strict=True):
        assert model_to_dict(made) == model_to_dict(found)
        assert made.at == found.at


@pytest.mark.django_db
def test_nothing_is_inserted_of_none() -> None:
    bulk.insert([])
    assert bulk.insert_missing([], "zone_id", "name") == []


@pytest.mark.django_db
def test_a_row_is_stored_from_then_on() -> None:
    """Django would insert it again otherwise: its key is of its own making."""
    asked: Origin = origin()
    request = asked.request()
    bulk.insert([request])
    request.comment = "again"
    request.save()
    assert Request.objects.get().comment == "again"


@pytest.mark.django_db
def test_rows_refer_to_rows_that_get_their_keys_meanwhile() -> None:
    zone, request = world.make_zone(), RequestFactory.create()
    owners = bulk.insert_missing(
        [OwnerName(zone=zone, name=name) for name in ("a.test.", "b.test.")], "name"
    )
    rrsets = [
        RRset(owner=owner, zone=zone, name=owner.name, type="A", ttl=5)
        for owner in owners
    ]
    for each in rrsets:
        each.version, each.updated_at = 1, clock.now()
    changes = [
        Change(
            request=request,
            zone=zone,
            owner=each.owner,
            rrset=each,
            name=each.name,
            type="A",
            action="put",
            version=1,
        )
        for each in rrsets
    ]
    bulk.insert(rrsets)
    bulk.insert(changes)
    stored = Change.objects.order_by("pk").values_list("rrset_id", flat=True)
    assert list(stored) == [each.pk for each in rrsets]
    assert [each.rrset_id for each in changes] == [each.pk for each in rrsets]


@pytest.mark.django_db
@pytest.mark.parametrize("count", COUNTS)
def test_what_is_there_is_left(count: int) -> None:
    zone = world.make_zone()
    there = OwnerName.objects.create(zone=zone, name="n0.test.", other_rrsets=7)
    rows = [OwnerName(zone=zone, name=f"n{i}.test.") for i in range(count)]
    new = bulk.insert_missing(rows, "zone_id", "name")
    assert [row.name for row in new] == [row.name for row in rows[1:]]
    stored = dict(OwnerName.objects.values_list("name", "pk"))
    assert {row.name: row.pk for row in new} | {there.name: there.pk} == stored
    there.refresh_from_db()
    assert there.other_rrsets == 7


@pytest.mark.django_db
@pytest.mark.parametrize("count", COUNTS)
def test_what_is_there_gets_the_new_values(count: int) -> None:
    rows = [key_row(f"k{i}") for i in range(count)]
    keys = [row.pk for row in rows]
    assert bulk.insert_missing(rows, "owner", "key") == rows
    assert [row.pk for row in rows] == keys
    for row in rows:
        row.response_status, row.response_body = 202, {"key": row.key}
    bulk.upsert(
        rows,
        unique=("owner", "key"),
        update=("response_status", "response_body"),
    )
    stored = {row.key: row for row in IdempotencyKey.objects.all()}
    assert len(stored) == count
    for row in rows:
        found = stored[row.key]
        assert (found.pk, found.response_status) == (row.pk, 202)
        assert found.response_body == {"key": row.key}


@pytest.mark.django_db
def test_what_fails_spoils_its_transaction() -> None:
    zone = world.make_zone()
    OwnerName.objects.create(zone=zone, name="n0.test.")
    rows = [OwnerName(zone=zone, name=f"n{i}.test.") for i in range(3)]
    with pytest.raises(IntegrityError), transaction.atomic():
        with pytest.raises(IntegrityError):
            bulk.insert(rows)
        with pytest.raises(TransactionManagementError):
            OwnerName.objects.count()
        raise IntegrityError
    assert OwnerName.objects.count() == 1


@pytest.mark.django_db
def test_fields_that_are_computed_are_refused() -> None:
    with pytest.raises(TypeError, match="created_at"):
        bulk.insert([Backend(name="x", driver="memory", options={})])
