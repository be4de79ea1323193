"""Items that are accepted in one transaction are told what each would be told alone."""

from __future__ import annotations

from typing import Any

import pytest
from django.db import IntegrityError, OperationalError, connection, transaction
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from rest_framework.test import APIClient

from dns_records.api.v2 import batch
from dns_records.models import Change, OwnerName, RRset
from dns_records.services import together
from dns_records.tests import world
from dns_records.tests.batch_calls import add, run, statuses
from dns_records.tests.callers import caller, change
from requests_tracker.models import IdempotencyKey, OutboxEvent, Request, RequestEvent
from requests_tracker.services import idempotency
from requests_tracker.services import together as tracker

A1, A2 = "192.0.2.1", "192.0.2.2"
OURS, THEIRS = "ours.test.", "them.test."

# Few names and values: what one item leaves stands in the way of the next.
NAMES = st.sampled_from(["a", "b", "c.a", "*.b", "@", "no_host", "x" * 64])
VALUES = {
    "A": st.sampled_from([A1, A2, "192.0.2.300"]),
    "TXT": st.sampled_from(['"x"', '"y"']),
    "CNAME": st.sampled_from(["a", "b", "c.a"]),
    "NS": st.sampled_from(["a", "ns.elsewhere.test."]),
    "MX": st.sampled_from(["10 a", "10 b", "x"]),
    "DNAME": st.sampled_from(["elsewhere.test."]),
}
ACTIONS = st.sampled_from(["create", "add", "add", "put", "remove", "delete"])


@st.composite
def changes_of_an_item(draw: st.DrawFn) -> list[dict[str, Any]]:
    """One or two operations, as often wrong as right."""
    found = []
    for _ in range(draw(st.integers(1, 2))):
        rtype = draw(st.sampled_from(sorted(VALUES)))
        action = draw(ACTIONS)
        records = [] if action == "delete" else [draw(VALUES[rtype])]
        more = {"type": rtype} | ({} if action in ("remove", "delete") else {"ttl": 60})
        found.append(change(action, draw(NAMES), *records, **more))
    return found


def item(zone: str, changes: list[dict[str, Any]]) -> dict[str, Any]:
    """Return an item about a zone; relative targets are of that zone."""
    own = [dict(each) for each in changes]
    for each in own:
        if each["type"] in ("CNAME", "MX", "NS"):
            each["records"] = [
                text if text.endswith(".") else f"{text}.{zone}"
                for text in each.get("records", [])
            ]
            if not each["records"]:
                del each["records"]
    return {"changeset": {"zone": zone, "changes": own}}


def told(result: dict[str, Any], zone: str) -> Any:
    """Return what an answer says, but for ids, times and the zone's name."""
    body = result["body"]
    kept = {name: body.get(name) for name in ("code", "detail", "errors", "changes")}
    events = [(each["step"], each["message"]) for each in body.get("events", ())]
    text = repr((result["status"], kept, events)).replace(zone, "ZONE.")
    return text.replace(zone.rstrip("."), "ZONE")


def left(zone: str) -> Any:
    """Return the rows that a zone is left with."""
    rrsets = RRset.objects.filter(zone__name=zone).order_by("name", "type")
    rows = [
        (each.name, each.type, each.ttl, each.version, each.present, each.owner_id > 0)
        + tuple(sorted(record.rdata for record in each.records.all()))
        for each in rrsets
    ]
    # Together, the name of what is refused stays behind, with nothing at it.
    names = list(
        OwnerName.objects.filter(zone__name=zone)
        .exclude(cname_rrsets=0, other_rrsets=0)
        .order_by("name")
        .values_list("name", "cname_rrsets", "other_rrsets")
    )
    moves = Change.objects.filter(zone__name=zone).order_by("id")
    done = list(moves.values_list("name", "type", "action", "version"))
    text = repr((rows, names, done)).replace(zone, "ZONE.")
    return text.replace(zone.rstrip("."), "ZONE")


@pytest.mark.django_db
@settings(
    max_examples=60,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(asked=st.lists(changes_of_an_item(), min_size=2, max_size=6))
def test_together_as_one_by_one(asked: list[list[dict[str, Any]]]) -> None:
    before = transaction.savepoint()
    with pytest.MonkeyPatch.context() as patch:
        api = caller()
        world.make_zone(OURS)
        world.make_zone(THEIRS)
        at_once = run(api, *(item(OURS, each) for each in asked))
        patch.setattr(batch, "MAX_TOGETHER", 0)
        one_by_one = run(api, *(item(THEIRS, each) for each in asked))
    try:
        assert [told(each, OURS) for each in at_once] == [
            told(each, THEIRS) for each in one_by_one
        ]
        assert left(OURS) == left(THEIRS)
    finally:
        transaction.savepoint_rollback(before)


def test_it_is_one_transaction(api: APIClient, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without this the comparison above would compare nothing."""
    sizes: list[int] = []
    submit = together.submit

    def counted(asked: Any, access: Any) -> None:
        sizes.append(len(asked))
        submit(asked, access)

    monkeypatch.setattr(together, "submit", counted)
    results = run(api, add("a"), add("b", records=["x"]), add("c"))
    assert (sizes, statuses(results)) == ([3], [202, 400, 202])
    assert OutboxEvent.objects.get().type == "rejected"


def rows() -> tuple[int, ...]:
    """Count what an acceptance writes."""
    tables = (Request, RequestEvent, Change, RRset, IdempotencyKey)
    return tuple(table.objects.count() for table in tables)


@pytest.mark.parametrize("error", [IntegrityError("x"), OperationalError("x")])
def test_what_fails_within_is_done_one_by_one(
    api: APIClient, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    def broken(*args: Any) -> None:
        raise error

    monkeypatch.setattr(tracker, "_answer", broken)
    results = run(api, add("a"), add("b", idempotency_key="k"))
    assert statuses(results) == [202, 202]
    assert rows() == (2, 8, 2, 2, 1)


def test_nobody_knows_whether_a_lost_commit_was_one(
    api: APIClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What has a key is asked for again; what has none might be done twice."""
    run_all = tracker._commit

    def lost(*args: Any) -> None:
        run_all(*args)
        raise tracker.CommitFailed(OperationalError("server closed the connection"))

    monkeypatch.setattr(tracker, "_commit", lost)
    keyed = add("a", idempotency_key="k")
    results = run(api, keyed, add("b"), add("c"))
    assert statuses(results) == [202, 503, 503]
    assert results[0]["replayed"] is True
    assert Request.objects.count() == 3


@pytest.mark.django_db(transaction=True)
@pytest.mark.skipif("connection.vendor != 'postgresql'")
def test_a_connection_that_is_cut_at_the_commit(api: APIClient) -> None:
    """The real thing: the backend is gone when COMMIT is sent."""
    other = connection.copy()
    own = []

    def cut(calls: Any) -> None:
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_backend_pid()")
            own.append(cursor.fetchone()[0])
        with other.cursor() as cursor:
            cursor.execute("SELECT pg_terminate_backend(%s)", own)

    with pytest.MonkeyPatch.context() as patch:
        settle = idempotency.settle_all

        def settle_and_cut(answers: Any) -> None:
            settle(answers)
            cut(answers)

        patch.setattr(idempotency, "settle_all", settle_and_cut)
        results = run(api, add("a"), add("b"))
    other.close()
    assert statuses(results) == [503, 503]
    connection.close()
    assert Request.objects.count() == 0
