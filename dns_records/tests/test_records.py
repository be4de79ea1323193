"""One record at a time: created, changed, deleted within its RRset."""

from __future__ import annotations

from typing import Any
from uuid import UUID, uuid4

import pytest

from dns_records.models import Change, Record, RRset, Zone
from dns_records.services import delivery, withdrawal
from dns_records.services.preconditions import Precondition
from dns_records.services.records import (
    CreateRecord,
    DeleteRecord,
    Target,
    UpdateRecord,
)
from dns_records.tests.world import (
    add,
    draft,
    fresh,
    make_zone,
    messages,
    post,
    submit,
    wanted,
)
from dnsorch.tokens.access import Access
from requests_tracker.models import Request

pytestmark = pytest.mark.django_db

WWW = ("www.example.test.", "A")


def run(submission: Any, **options: Any) -> Request:
    """Submit something; return its request, accepted or rejected."""
    answer = submit(submission, **options)
    assert answer.request_id is not None
    return Request.objects.get(pk=answer.request_id)


def create(value: str, **fields: Any) -> Request:
    """Create an A record of www."""
    return run(CreateRecord("www.example.test", "A", value, **fields))


def update(record_id: UUID, **new: Any) -> Request:
    """Update a record by its id."""
    return run(UpdateRecord(Target(id=record_id), new))


def delete(record_id: UUID) -> Request:
    """Delete a record by its id."""
    return run(DeleteRecord(Target(id=record_id)))


def records() -> dict[str, tuple[UUID, str | None]]:
    """Return id and comment of every record, by its value."""
    return {each.rdata: (each.pk, each.comment) for each in Record.objects.all()}


def id_of(value: str) -> UUID:
    """Return the id of the record with this value."""
    return Record.objects.get(rdata=value).pk


def test_a_record_is_added_to_its_rrset_under_the_id_it_was_promised(
    zone: Zone,
) -> None:
    first, second = uuid4(), uuid4()
    request = create("192.0.2.1", record_id=first, comment="web", ttl=60)
    create("192.0.2.2", record_id=second)
    assert records() == {
        "192.0.2.1": (first, "web"),
        "192.0.2.2": (second, None),
    }
    assert wanted(zone) == {WWW: (60, ("192.0.2.1", "192.0.2.2"))}
    assert (request.zone, request.name, request.type, request.value, request.ttl) == (
        "example.test.",
        "www.example.test.",
        "A",
        "192.0.2.1",
        60,
    )
    assert request.comment == "web"


def test_the_zone_is_the_longest_that_holds_the_name(zone: Zone) -> None:
    below = make_zone("sub.example.test.")
    assert run(CreateRecord("a.sub.example.test", "A", "192.0.2.1")).zone == below.name
    assert run(CreateRecord("a.sup.example.test", "A", "192.0.2.1")).zone == zone.name
    inside = CreateRecord("a.sub", "A", "192.0.2.1", zone="example.test")
    assert run(inside).name == "a.sub.example.test."


@pytest.mark.parametrize(
    ("submission", "code"),
    [
        (CreateRecord("www.example.test", "A", "192.0.2.1"), "record_exists"),
        (CreateRecord("www.elsewhere.test", "A", "192.0.2.1"), "zone_not_found"),
        (CreateRecord("www.example.test", "A", "x"), "invalid_rdata"),
        (CreateRecord("www.example.test", "CNAME", "a.test."), "cname_conflict"),
        (
            CreateRecord("www.example.test", "A", "192.0.2.9", ttl=-1),
            "ttl_out_of_range",
        ),
        (DeleteRecord(Target(id=uuid4())), "not_found"),
        (
            DeleteRecord(Target(name="www.example.test", type="A", value="192.0.2.9")),
            "record_not_found",
        ),
        (
            UpdateRecord(
                Target(name="www.example.test", type="A", value="192.0.2.1"),
                {"value": "192.0.2.2"},
            ),
            "record_exists",
        ),
        (
            UpdateRecord(
                Target(name="www.example.test", type="A", value="192.0.2.1"),
                {"ttl": 60},
                Precondition(frozenset({"99"})),
            ),
            "precondition_failed",
        ),
    ],
)
def test_what_is_refused_changes_nothing(
    zone: Zone, submission: Any, code: str
) -> None:
    add("www", "192.0.2.1", "192.0.2.2")
    before = (records(), wanted(zone))
    request = run(submission)
    assert (request.status, request.error_code) == ("rejected", code)
    assert (records(), wanted(zone)) == before
    assert Change.objects.count() == 1


def test_a_token_sees_and_changes_its_own_zones_only(zone: Zone) -> None:
    add("www", "192.0.2.1")
    target = Target(id=id_of("192.0.2.1"))
    elsewhere = Access("team-web", zones=frozenset({"other.test."}))
    reader = Access("team-web", zones=frozenset({zone.name}), read_only=True)
    assert run(DeleteRecord(target), access=elsewhere).error_code == "not_found"
    assert run(DeleteRecord(target), access=reader).error_code == "forbidden"
    assert len(records()) == 1


def test_a_record_that_gets_another_value_keeps_its_id(zone: Zone) -> None:
    create("192.0.2.1", comment="web")
    own = id_of("192.0.2.1")
    request = update(own, value="192.0.2.9", ttl=60)
    assert records() == {"192.0.2.9": (own, "web")}
    assert (request.value, request.ttl) == ("192.0.2.9", 60)
    delivery.drain(zone.pk)
    assert messages(zone)[1:] == [[(*WWW, ("192.0.2.9",))]]
    assert wanted(zone) == {WWW: (60, ("192.0.2.9",))}


def test_a_comment_alone_is_a_new_version_and_no_new_record(zone: Zone) -> None:
    create("192.0.2.1")
    own = id_of("192.0.2.1")
    update(own, comment="web")
    assert records() == {"192.0.2.1": (own, "web")}
    assert RRset.objects.get().version == 2
    update(own, comment=None)
    assert records() == {"192.0.2.1": (own, None)}


def test_a_record_survives_a_v2_write_that_keeps_it(zone: Zone) -> None:
    create("192.0.2.1", comment="web")
    own = id_of("192.0.2.1")
    post(draft("put", "www", "A", "192.0.2.2", "192.0.2.1", ttl=5))
    assert records()["192.0.2.1"] == (own, "web")


def test_a_record_may_be_found_by_what_it_is(zone: Zone) -> None:
    add("www", "192.0.2.1", "192.0.2.2")
    gone = Target(name="WWW", type="a", value="192.0.2.1", zone="example.test")
    run(DeleteRecord(gone))
    assert list(records()) == ["192.0.2.2"]


# --- taken out again -----------------------------------------------------------------


@pytest.mark.parametrize("applied", [True, False])
@pytest.mark.parametrize("how", ["update", "delete", "v2 delete", "v2 put"])
def test_a_record_that_comes_back_is_the_same_record(
    zone: Zone, how: str, applied: bool
) -> None:
    """Its id and its comment are a client's; cancelling undoes all of a change."""
    create("192.0.2.1", comment="web")
    own = id_of("192.0.2.1")
    if applied:
        delivery.drain(zone.pk)
    request = {
        "update": lambda: update(own, value="192.0.2.9"),
        "delete": lambda: delete(own),
        "v2 delete": lambda: post(draft("delete", "www", "A")),
        "v2 put": lambda: post(draft("put", "www", "A", "192.0.2.7")),
    }[how]()
    assert "192.0.2.1" not in records()
    withdrawal.cancel(zone, request.pk, "team-web")
    assert records() == {"192.0.2.1": (own, "web")}
    assert wanted(zone) == {WWW: (300, ("192.0.2.1",))}


def test_a_record_whose_value_changed_twice_comes_back_as_it_was(zone: Zone) -> None:
    create("192.0.2.1", comment="web")
    own = id_of("192.0.2.1")
    delivery.drain(zone.pk)
    first = update(own, value="192.0.2.2", comment="two")
    second = update(own, value="192.0.2.3", comment="three")
    withdrawal.cancel(zone, second.pk, "team-web")
    assert records() == {"192.0.2.2": (own, "two")}
    third = update(own, value="192.0.2.3")
    withdrawal.cancel(zone, first.pk, "team-web")
    assert fresh(third).error_code == "dependency_failed"
    assert records() == {"192.0.2.1": (own, "web")}


def test_an_id_is_never_given_twice(zone: Zone) -> None:
    """The old value was taken by another record while the first had a new one."""
    create("192.0.2.1")
    own = id_of("192.0.2.1")
    delivery.drain(zone.pk)
    update(own, value="192.0.2.2")
    add("www", "192.0.2.1")
    other = id_of("192.0.2.1")
    gone = delete(other)
    assert other != own
    withdrawal.cancel(zone, gone.pk, "team-web")
    assert records() == {"192.0.2.2": (own, None), "192.0.2.1": (other, None)}
