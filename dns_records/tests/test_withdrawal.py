"""Taking change sets out: what came after is replayed, or fails and says why."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from dns_records.models import Change, Lane, RRset, Zone
from dns_records.providers.memory import Faults, Store
from dns_records.services import delivery, results, withdrawal
from dns_records.services.changes import ChangeSet
from dns_records.services.lane_run import LaneRun
from dns_records.services.preconditions import Precondition
from dns_records.tests.world import (
    add,
    applied,
    change_states,
    draft,
    fresh,
    let_lease_expire,
    make_zone,
    messages,
    post,
    served,
    states,
    submit,
    told,
    wanted,
)
from dnsorch import clock
from dnsorch.exceptions import Conflict, IllegalTransition
from requests_tracker.models import OutboxEvent, Request

pytestmark = pytest.mark.django_db

WWW = ("www.example.test.", "A")


def cancel(zone: Zone, request: Request) -> None:
    """Cancel a request as ``team-web``."""
    withdrawal.cancel(zone, request.pk, "team-web")


def outcomes() -> list[tuple[object, str, int | None]]:
    """Return request, state and place of every outcome of a zone, in order."""
    rows = OutboxEvent.objects.exclude(type="rejected").order_by("event_seq")
    return list(rows.values_list("request", "type", "event_seq"))


def test_a_cancelled_change_leaves_nothing(zone: Zone) -> None:
    request = add("www", "192.0.2.1")
    cancel(zone, request)
    request = fresh(request)
    assert request.status == "cancelled"
    assert request.completed_at is not None
    assert told(request) == ["cancelled"]
    assert change_states(request) == ["cancelled"]
    assert wanted(zone) == {}
    assert outcomes() == [(request.pk, "cancelled", 1)]
    assert delivery.drain(zone.pk) is False
    assert messages(zone) == [[]]


def test_the_version_of_an_rrset_rises_when_a_change_is_taken_out(zone: Zone) -> None:
    request = add("www", "192.0.2.1")
    cancel(zone, request)
    row = RRset.objects.get()
    assert (row.present, row.version) == (False, 2)


def test_what_came_after_is_planned_anew(zone: Zone) -> None:
    first = add("www", "192.0.2.1")
    second = add("www", "192.0.2.2")
    other = add("ftp", "192.0.2.3")
    cancel(zone, first)
    assert states() == ["cancelled", "queued", "queued"]
    change = Change.objects.get(request=second)
    assert change.before is None
    assert change.after == {"ttl": 300, "records": ["192.0.2.2"]}
    assert Change.objects.get(request=other).before is None
    delivery.drain(zone.pk)
    assert (
        served(zone)
        == wanted(zone)
        == applied(zone)
        == {
            WWW: (300, ("192.0.2.2",)),
            ("ftp.example.test.", "A"): (300, ("192.0.2.3",)),
        }
    )


def test_what_no_longer_fits_fails_and_names_the_first(zone: Zone) -> None:
    first = post(draft("create", "www", "A", "192.0.2.1"))
    second = post(draft("replace", "www", "A", "192.0.2.2"))
    third = post(
        draft("delete", "www", "A"), draft("create", "www", "CNAME", "a.test.")
    )
    fourth = add("www", "192.0.2.9")  # a conflict with the alias
    assert fourth.status == "rejected"
    cancel(zone, first)
    assert states([first, second, third]) == ["cancelled", "failed", "failed"]
    for request in (second, third):
        error = fresh(request).error
        assert error is not None
        assert error["code"] == "dependency_failed"
        assert f"without request {first.pk} this no longer fits" in error["detail"]
        assert told(request) == ["failed"]
    assert wanted(zone) == {}
    assert outcomes() == [
        (first.pk, "cancelled", 1),
        (second.pk, "failed", 2),
        (third.pk, "failed", 3),
    ]


def test_a_change_set_is_taken_out_as_a_whole(zone: Zone) -> None:
    """Through the second name of a change set the third request is touched too."""
    first = post(draft("create", "a", "A", "192.0.2.1"))
    second = post(
        draft("replace", "a", "A", "192.0.2.2"), draft("create", "b", "A", "192.0.2.2")
    )
    third = post(draft("replace", "b", "A", "192.0.2.3"))
    free = add("c", "192.0.2.4")
    cancel(zone, first)
    assert states() == ["cancelled", "failed", "failed", "queued"]
    assert [change_states(each) for each in (second, third, free)] == [
        ["failed", "failed"],
        ["failed"],
        ["pending"],
    ]
    assert wanted(zone) == {("c.example.test.", "A"): (300, ("192.0.2.4",))}


def test_taking_out_a_deletion_brings_the_rrset_back(zone: Zone) -> None:
    add("www", "192.0.2.1")
    delivery.drain(zone.pk)
    gone = post(draft("delete", "www", "A"))
    alias = post(draft("create", "www", "CNAME", "a.test."))
    cancel(zone, gone)
    assert states([gone, alias]) == ["cancelled", "failed"]
    assert wanted(zone) == {WWW: (300, ("192.0.2.1",))}


def test_an_expectation_that_held_because_of_it_fails(zone: Zone) -> None:
    first = add("www", "192.0.2.1")
    version = str(RRset.objects.get().version)
    submit(
        ChangeSet(
            zone.name,
            [draft("put", "www", "A", "192.0.2.2")],
            precondition=Precondition(frozenset({version})),
        )
    )
    cancel(zone, first)
    assert states() == ["cancelled", "failed"]
    assert wanted(zone) == {}


def test_a_change_on_its_way_is_built_upon(zone: Zone, store: Store) -> None:
    delivery.drain(zone.pk)
    store.faults = Faults(lose_answer=True)
    sent = add("www", "192.0.2.1")
    delivery.drain(zone.pk)
    first = add("www", "192.0.2.2")
    second = add("www", "192.0.2.3")
    cancel(zone, first)
    assert states([sent, first, second]) == ["provisioning", "cancelled", "queued"]
    assert wanted(zone) == {WWW: (300, ("192.0.2.1", "192.0.2.3"))}


@pytest.mark.parametrize(
    ("faults", "state"),
    [(Faults(lose_message=True), "provisioning"), (Faults(), "verifying")],
)
def test_what_is_on_its_way_is_not_cancelled(
    zone: Zone, store: Store, faults: Faults, state: str
) -> None:
    delivery.drain(zone.pk)
    store.faults = faults
    request = add("www", "192.0.2.1")
    delivery.drain(zone.pk)
    assert fresh(request).status == state
    before = (wanted(zone), change_states(request), told(request))
    with pytest.raises(IllegalTransition) as caught:
        cancel(zone, request)
    assert caught.value.detail == f"a request that is {state} cannot be cancelled"
    assert (wanted(zone), change_states(request), told(request)) == before
    assert outcomes() == []


def test_nothing_is_cancelled_twice(zone: Zone) -> None:
    request = add("www", "192.0.2.1")
    cancel(zone, request)
    with pytest.raises(IllegalTransition):
        cancel(zone, request)
    assert outcomes() == [(request.pk, "cancelled", 1)]


@pytest.mark.parametrize("sent", [True, False])
def test_only_what_is_still_queued_is_failed(
    zone: Zone, store: Store, sent: bool
) -> None:
    """Its deadline passed; before it was failed, a drain has claimed it."""
    delivery.drain(zone.pk)
    store.faults = Faults(lose_answer=sent)
    late = add("www", "192.0.2.1")
    delivery.drain(zone.pk)
    queued = add("ftp", "192.0.2.1")
    state = fresh(late).status
    withdrawal.fail(zone, {late.pk: Conflict("late"), queued.pk: Conflict("late")})
    assert states([late, queued]) == [state, "failed"]
    assert wanted(zone) == {WWW: (300, ("192.0.2.1",))}
    assert [request for request, _, _ in outcomes()] == [queued.pk]


def test_a_claim_while_it_is_failed_wins(
    zone: Zone, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The claim commits between finding the names and locking the request."""
    request = add("www", "192.0.2.1")
    closure = withdrawal._closure

    def claim_meanwhile(zone: Zone, gone: Any) -> set[str]:
        found = closure(zone, gone)
        if fresh(request).status == "queued":
            delivery.drain(zone.pk)
        return found

    monkeypatch.setattr(withdrawal, "_closure", claim_meanwhile)
    withdrawal.fail(zone, {request.pk: Conflict("late")})
    assert states() == ["verifying"]
    assert served(zone) == wanted(zone) == applied(zone)


def test_names_that_grow_before_the_lock_are_locked_too(
    zone: Zone, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Somebody ties another name to it between the look and the lock."""
    first = post(draft("create", "a", "A", "192.0.2.1"))
    closure = withdrawal._closure

    def tie(zone: Zone, gone: Any) -> set[str]:
        found = closure(zone, gone)
        monkeypatch.setattr(withdrawal, "_closure", closure)
        post(
            draft("replace", "a", "A", "192.0.2.2"),
            draft("create", "b", "A", "192.0.2.2"),
        )
        return found

    monkeypatch.setattr(withdrawal, "_closure", tie)
    cancel(zone, first)
    assert states() == ["cancelled", "failed"]
    assert wanted(zone) == {}


def test_zones_do_not_disturb_each_other(zone: Zone) -> None:
    make_zone("other.test.")
    mine, theirs = add("www", "192.0.2.1"), add("www", "192.0.2.1", zone="other.test.")
    cancel(zone, mine)
    assert states([mine, theirs]) == ["cancelled", "queued"]
    assert outcomes() == [(mine.pk, "cancelled", 1)]


def test_a_refused_change_is_failed_while_its_lane_is_drained(
    zone: Zone, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Between the refusal and the failure the lease was lost, and it is sent again."""
    delivery.drain(zone.pk)
    store.faults = Faults(refuse_names=frozenset({WWW[0]}))
    request = add("www", "192.0.2.1")
    fail = results.fail

    def taken_over(run: LaneRun, *args: Any) -> None:
        monkeypatch.setattr(results, "fail", fail)
        store.faults = Faults()
        let_lease_expire(zone)
        delivery.drain(zone.pk)
        fail(run, *args)

    monkeypatch.setattr(results, "fail", taken_over)
    delivery.drain(zone.pk)
    assert fresh(request).status == "verifying"
    assert served(zone) == wanted(zone) == applied(zone)


def test_what_is_decided_before_the_lock_is_built_upon(
    zone: Zone, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A message is decided between locking the name and locking the requests."""
    delivery.drain(zone.pk)
    store.faults = Faults(lose_answer=True)
    sent = add("www", "192.0.2.1")
    delivery.drain(zone.pk)
    store.faults = Faults()
    request = add("www", "192.0.2.2")
    Request.objects.filter(pk=request.pk).update(
        next_attempt_at=clock.now() + timedelta(hours=1)
    )
    undecided = withdrawal._undecided

    def decide(zone: Zone, names: set[str]) -> list[Change]:
        monkeypatch.setattr(withdrawal, "_undecided", undecided)
        Lane.objects.update(not_before=None)
        delivery.drain(zone.pk)
        return undecided(zone, names)

    monkeypatch.setattr(withdrawal, "_undecided", decide)
    cancel(zone, request)
    assert states([sent, request]) == ["verifying", "cancelled"]
    assert wanted(zone) == applied(zone) == {WWW: (300, ("192.0.2.1",))}
