"""The wanted state in the database: what it refuses by itself, under any race."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from functools import partial

import pytest
from django.db import IntegrityError, connection, transaction
from django.test.utils import CaptureQueriesContext

from dns_records.images import Image, Key
from dns_records.models import Change, OwnerName, Record, RRset, Zone
from dns_records.services import wanted
from dns_records.services.wanted import Hint
from dns_records.tests.world import add, draft, make_zone, post, states
from dns_records.tests.world import wanted as wanted_now
from requests_tracker.models import Request

NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)
WWW = Key("www.example.test.", "A")
ALIAS = Key("www.example.test.", "CNAME")
ONE, TWO = "192.0.2.1", "192.0.2.2"


def together(*acts: Callable[[], object]) -> None:
    """Do all at the same time, each in a thread and on a connection of its own."""
    ready = threading.Barrier(len(acts))

    def run(act: Callable[[], object]) -> None:
        try:
            ready.wait(10)
            act()
        finally:
            connection.close()

    with ThreadPoolExecutor(len(acts)) as pool:
        list(pool.map(run, acts))


# --- races --------------------------------------------------------------------------


@pytest.mark.django_db(transaction=True)
def test_an_alias_and_an_address_race_and_one_wins() -> None:
    zone = make_zone()
    for index in range(5):
        name = f"n{index}"
        together(
            partial(post, draft("create", name, "CNAME", "a.test.")),
            partial(add, name, ONE),
        )
    found = wanted_now(zone)
    assert sorted(name for name, _ in found) == [
        f"n{index}.example.test." for index in range(5)
    ]
    assert sorted(states()) == ["queued"] * 5 + ["rejected"] * 5
    rejected = Request.objects.filter(status="rejected")
    assert set(rejected.values_list("error_code", flat=True)) == {"cname_conflict"}


@pytest.mark.django_db(transaction=True)
def test_writers_of_one_name_lose_nothing() -> None:
    zone = make_zone()
    together(*(partial(add, "www", f"192.0.2.{i}") for i in range(6)))
    assert wanted_now(zone) == {
        WWW: (300, tuple(sorted(f"192.0.2.{i}" for i in range(6))))
    }
    assert RRset.objects.get().version == 6
    rows = Change.objects.order_by("id")
    assert list(rows.values_list("version", flat=True)) == [1, 2, 3, 4, 5, 6]
    images = [(change.before, change.after) for change in rows]
    assert [before for before, _ in images[1:]] == [after for _, after in images[:-1]]


@pytest.mark.django_db(transaction=True)
def test_creating_one_rrset_twice_succeeds_once() -> None:
    make_zone()
    together(*[partial(post, draft("create", "www", "A", ONE))] * 4)
    assert sorted(states()) == ["queued"] + ["rejected"] * 3


@pytest.mark.django_db(transaction=True)
def test_change_sets_over_the_same_names_do_not_wait_for_each_other_for_ever() -> None:
    zone = make_zone()
    names = ["a", "b", "c", "d"]

    def write(order: Sequence[str], value: str) -> None:
        post(*(draft("add", name, "A", value) for name in order))

    together(
        *(
            partial(write, names if i % 2 else names[::-1], f"192.0.2.{i}")
            for i in range(4)
        )
    )
    assert states() == ["queued"] * 4
    assert {len(records) for _, records in wanted_now(zone).values()} == {4}


# --- the database refuses by itself -------------------------------------------------


@pytest.mark.django_db
@pytest.mark.parametrize(("cname", "other"), [(1, 1), (2, 0), (1, 7), (2, 1)], ids=str)
def test_the_database_keeps_an_alias_alone(zone: Zone, cname: int, other: int) -> None:
    owner = OwnerName.objects.create(zone=zone, name=WWW.name, other_rrsets=1)
    with pytest.raises(IntegrityError, match="owner_cname_stands_alone"):
        with transaction.atomic():
            OwnerName.objects.filter(pk=owner.pk).update(
                cname_rrsets=cname, other_rrsets=other
            )


@pytest.mark.django_db
def test_code_that_forgets_the_rules_is_stopped_by_the_database(zone: Zone) -> None:
    with pytest.raises(IntegrityError, match="owner_cname_stands_alone"):
        with transaction.atomic():
            locked = wanted.lock(zone, {WWW.name})
            wanted.write(
                locked, {WWW: Image(300, (ONE,)), ALIAS: Image(300, ("a.test.",))}
            )
    assert wanted_now(zone) == {}


@pytest.mark.django_db
def test_the_database_keeps_names_rrsets_and_records_unique(zone: Zone) -> None:
    add("www", ONE)
    owner, row = OwnerName.objects.get(), RRset.objects.get()
    record = Record.objects.get()
    duplicates: list[Callable[[], object]] = [
        lambda: OwnerName.objects.create(zone=zone, name=owner.name),
        lambda: RRset.objects.create(
            owner=owner, zone=zone, name=row.name, type="A", ttl=1, updated_at=NOW
        ),
        lambda: Record.objects.create(
            rrset=row,
            rdata="other",
            digest=record.digest,
            created_at=NOW,
            updated_at=NOW,
        ),
    ]
    for duplicate in duplicates:
        with pytest.raises(IntegrityError, match="UNIQUE|unique"), transaction.atomic():
            duplicate()


# --- read and written ---------------------------------------------------------------


@pytest.mark.django_db
def test_a_lock_makes_the_names_and_reads_all_their_rrsets(zone: Zone) -> None:
    add("www", ONE, TWO)
    post(draft("add", "www", "TXT", '"x"'))
    other = make_zone("other.test.")
    locked = wanted.lock(zone, {WWW.name, "new.example.test."})
    assert sorted(locked.owners) == ["new.example.test.", WWW.name]
    assert locked.images() == {
        WWW: Image(300, (ONE, TWO)),
        Key(WWW.name, "TXT"): Image(300, ('"x"',)),
    }
    assert wanted.lock(other, {WWW.name}).images() == {}
    assert wanted.lock(zone, {"new.example.test."}).images() == {}
    assert OwnerName.objects.filter(zone=zone).count() == 2


@pytest.mark.django_db
def test_writing_brings_what_is_locked_up_to_date(zone: Zone) -> None:
    locked = wanted.lock(zone, {WWW.name})
    for image, version in (
        (Image(300, (ONE,)), 1),
        (Image(300, (ONE,)), 1),  # as it was
        (Image(60, (ONE,)), 2),
        (Image(60, (ONE, TWO)), 3),
        (None, 4),
        (None, 4),
        (Image(60, (ONE,)), 5),
    ):
        wanted.write(locked, {WWW: image})
        assert locked.image(WWW) == image
        row = RRset.objects.get()
        assert (row.version, row.present) == (version, image is not None)
        assert wanted.lock(zone, {WWW.name}).image(WWW) == image
        wanted_now(zone)  # checks the counters


@pytest.mark.django_db
def test_records_keep_their_ids_while_they_are_there(zone: Zone) -> None:
    locked = wanted.lock(zone, {WWW.name})
    wanted.write(locked, {WWW: Image(300, (ONE, TWO))})
    before = {each.rdata: each.pk for each in Record.objects.all()}
    wanted.write(locked, {WWW: Image(60, (TWO, "192.0.2.3"))})
    after = {each.rdata: each.pk for each in Record.objects.all()}
    assert after[TWO] == before[TWO]
    assert sorted(after) == [TWO, "192.0.2.3"]
    locked.hints[WWW, "192.0.2.4"] = Hint(after[TWO], "moved")
    wanted.write(locked, {WWW: Image(60, ("192.0.2.3", "192.0.2.4"))})
    moved = Record.objects.get(rdata="192.0.2.4")
    assert (moved.pk, moved.comment) == (before[TWO], "moved")
    assert moved.digest != Record.objects.get(rdata="192.0.2.3").digest


@pytest.mark.django_db
def test_an_absent_rrset_can_be_written_as_absent(zone: Zone) -> None:
    locked = wanted.lock(zone, {WWW.name})
    wanted.write(locked, {WWW: None})
    assert (RRset.objects.get().present, RRset.objects.get().ttl) == (False, 300)
    assert wanted_now(zone) == {}


@pytest.mark.django_db
def test_the_number_of_statements_does_not_grow_with_the_change_set(
    zone: Zone,
) -> None:
    counts = []
    for size in (2, 40):
        with CaptureQueriesContext(connection) as context:
            post(*(draft("put", f"s{size}-{i}", "A", ONE) for i in range(size)))
        counts.append(len(context))
    assert counts[0] == counts[1]
