"""The sweep: whatever was lost, what is due in the database is done."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from pytest_django import DjangoAssertNumQueries

from dns_records import tasks
from dns_records.models import Batch, Change, Lane, Zone
from dns_records.providers.memory import Faults, Store
from dns_records.services import delivery, hints, lanes, sweep, verification, wake
from dns_records.services.lane_run import LaneRun
from dns_records.services.sweep import Sweeper
from dns_records.tests.conftest import Broker
from dns_records.tests.world import (
    add,
    draft,
    fresh,
    hurry,
    let_lease_expire,
    make_zone,
    messages,
    post,
    served,
    states,
    told,
    wanted,
)
from dnsorch import clock
from requests_tracker.models import OutboxEvent, Request


class Seconds:
    """A monotonic clock that a test sets."""

    def __init__(self) -> None:
        """Start a day after the machine did."""
        self.now = 86_400.0


@pytest.fixture
def seconds(monkeypatch: pytest.MonkeyPatch) -> Seconds:
    """Put a clock of the test's own into the sweep."""
    seconds = Seconds()
    monkeypatch.setattr(hints, "time", SimpleNamespace(monotonic=lambda: seconds.now))
    return seconds


@pytest.fixture
def noon() -> Iterator[datetime]:
    """Hold the clock."""
    with clock.fixed(datetime.now(tz=UTC)) as now:
        yield now


def due_lanes() -> list[int]:
    """Return the zones whose lanes the sweep finds."""
    return [zone_id for zone_id, *_ in sweep.lanes_to_drain()]


def work(broker: Broker) -> None:
    """Do what the workers would do with all that was published."""
    while broker.sent:
        name, zone_id = broker.sent.pop(0)
        task = {wake.DELIVER: delivery.drain, wake.VERIFY: verification.check}[name]
        task(zone_id)


# --- wake-ups that were lost ---------------------------------------------------------


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("sweeping", [True, False], ids=["sweep", "no sweep"])
def test_a_wake_up_that_was_lost_is_made_good(broker: Broker, sweeping: bool) -> None:
    """Without the sweep the request stays queued for ever."""
    zone = make_zone()
    request = add("www", "192.0.2.1")
    broker.sent.clear()  # the broker lost it, and the lane is marked as woken
    later = add("ftp", "192.0.2.1")
    assert broker.sent == []
    if sweeping:
        assert Sweeper().once() == 1
        assert broker.sent == [(wake.DELIVER, zone.pk)]
    work(broker)
    expected = "verifying" if sweeping else "queued"
    assert states([request, later]) == [expected] * 2


@pytest.mark.django_db
def test_what_does_not_move_is_woken_again_and_not_too_often(
    zone: Zone, broker: Broker, seconds: Seconds
) -> None:
    sweeper = Sweeper()
    add("www", "192.0.2.1")
    found = []
    for _ in range(8):
        found.append(sweeper.once())
        seconds.now += 1.0
    assert found == [1, 0, 0, 1, 0, 0, 1, 0]
    assert broker.sent == [(wake.DELIVER, zone.pk)] * 2


@pytest.mark.django_db
def test_what_nobody_hears_is_done_here(
    zone: Zone, broker: Broker, seconds: Seconds
) -> None:
    """The broker takes every hint, and no worker is there."""
    sweeper = Sweeper()
    request = add("www", "192.0.2.1")
    while seconds.now < 86_400.0 + hints.UNHEARD_AFTER_S:
        sweeper.once()
        assert states([request]) == ["queued"]
        seconds.now += 1.0
    assert sweeper.once() == 1
    assert states([request]) == ["completed"]
    assert sweeper.once() == 0
    # Another one has its time again.
    later = add("ftp", "192.0.2.1")
    assert sweeper.once() == 1
    assert states([later]) == ["queued"]


@pytest.mark.django_db
def test_who_is_behind_is_not_told_again(
    zone: Zone, broker: Broker, seconds: Seconds
) -> None:
    """Somebody works, and the broker holds the hint: what waits has its turn."""
    sweeper = Sweeper()
    request = add("www", "192.0.2.1")
    other = make_zone("other.test.")
    broker.backlog = 1
    found = []
    for second in range(70):
        add(f"n{second}", "192.0.2.1", zone=other.name)
        sweeper.once()
        found += [second for sent in broker.sent if sent == (wake.DELIVER, zone.pk)]
        broker.sent.clear()
        delivery.drain(other.pk)
        verification.check(other.pk)
        seconds.now += 1.0
    assert found == [0, 60]
    assert states([request]) == ["queued"]


@pytest.mark.django_db
def test_a_broker_that_is_down_costs_only_time(zone: Zone, broker: Broker) -> None:
    """The work is done here and now."""
    broker.go_down()
    requests = [add("www", "192.0.2.1"), add("ftp", "192.0.2.1")]
    assert Sweeper().once() == 1
    assert states(requests) == ["completed"] * 2
    assert served(zone) == wanted(zone)
    assert broker.tries == 1


@pytest.mark.django_db
def test_nothing_to_do_is_nothing_done(
    zone: Zone, broker: Broker, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    sweeper = Sweeper()
    with django_assert_num_queries(12):
        assert sweeper.once() == 0
    assert broker.sent == []


# --- which lanes ----------------------------------------------------------------------


@pytest.mark.django_db
def test_a_lane_with_due_changes_is_found(zone: Zone) -> None:
    make_zone("other.test.")
    assert due_lanes() == []
    request = add("www", "192.0.2.1")
    assert due_lanes() == [zone.pk]
    Request.objects.update(next_attempt_at=clock.now() + timedelta(seconds=60))
    assert due_lanes() == []
    Request.objects.update(next_attempt_at=clock.now() - timedelta(seconds=1))
    assert due_lanes() == [zone.pk]
    delivery.drain(zone.pk)
    assert fresh(request).status == "verifying"
    assert due_lanes() == []


@pytest.mark.django_db
def test_a_lane_that_is_held_or_waits_is_left_alone(zone: Zone) -> None:
    add("www", "192.0.2.1")
    lease = lanes.acquire(zone.pk)
    assert lease is not None
    assert due_lanes() == []
    let_lease_expire(zone)
    assert due_lanes() == [zone.pk]
    Lane.objects.update(not_before=clock.now() + timedelta(seconds=60))
    assert due_lanes() == []
    hurry(zone)
    assert due_lanes() == [zone.pk]


@pytest.mark.django_db
def test_a_flag_that_was_set_for_a_dead_holder_told_nobody(zone: Zone) -> None:
    add("www", "192.0.2.1")
    Lane.objects.update(dirty=True)
    assert sweep.lanes_to_drain() == [(zone.pk, 0, True)]
    lease = lanes.acquire(zone.pk)
    assert lease is not None
    Lane.objects.update(dirty=True)
    let_lease_expire(zone)
    assert sweep.lanes_to_drain() == [(zone.pk, 0, False)]
    lanes.hand_back(lease)
    assert sweep.lanes_to_drain() == [(zone.pk, 0, False)]


@pytest.mark.django_db
def test_a_message_nobody_decided_is_found(zone: Zone, store: Store) -> None:
    """Nothing is pending: only the batch says that something is to be done."""
    delivery.drain(zone.pk)
    store.faults = Faults(lose_answer=True)
    request = add("www", "192.0.2.1")
    delivery.drain(zone.pk)
    store.faults = Faults()
    hurry(zone)
    assert not Change.objects.filter(status="pending").exists()
    assert due_lanes() == [zone.pk]
    delivery.drain(zone.pk)
    assert fresh(request).status == "verifying"
    assert Batch.objects.get().status == "applied"
    assert due_lanes() == []


@pytest.mark.django_db
def test_a_worker_that_died_is_replaced_when_its_lease_is_over(
    zone: Zone, broker: Broker, monkeypatch: pytest.MonkeyPatch
) -> None:
    broker.go_down()
    delivery.drain(zone.pk)
    request = add("www", "192.0.2.1")

    def die(*args: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as broken, pytest.raises(KeyboardInterrupt):
        broken.setattr(LaneRun, "send", die)
        delivery.drain(zone.pk)
    assert Sweeper().once() == 0
    assert fresh(request).status == "provisioning"
    let_lease_expire(zone)
    assert Sweeper().once() == 1
    assert fresh(request).status == "completed"
    assert messages(zone)[2:] == [[("www.example.test.", "A", ("192.0.2.1",))]]


@pytest.mark.django_db
def test_due_checks_are_found(zone: Zone, broker: Broker, noon: datetime) -> None:
    other = make_zone("other.test.")
    add("www", "192.0.2.1")
    add("ftp", "192.0.2.1")
    add("www", "192.0.2.1", zone=other.name)
    assert sweep.checks_due() == []
    delivery.drain(zone.pk)
    assert sweep.checks_due() == [(zone.pk, noon)]
    later = noon + timedelta(seconds=1)
    Change.objects.filter(name="www.example.test.").update(next_check_at=later)
    assert sweep.checks_due() == [(zone.pk, noon)]
    Change.objects.filter(zone=zone).update(next_check_at=later)
    assert sweep.checks_due() == []
    Request.objects.filter(zone=other.name).delete()
    with clock.fixed(later):
        assert sweep.checks_due() == [(zone.pk, later)]
        assert Sweeper().once() == 1
        assert broker.sent == [(wake.VERIFY, zone.pk)]
        work(broker)
        assert sweep.checks_due() == []
    assert states() == ["completed"] * 2


@pytest.mark.django_db
def test_a_check_that_is_due_anew_does_not_wait_for_the_last_wake_up(
    zone: Zone, broker: Broker, noon: datetime, seconds: Seconds
) -> None:
    add("www", "192.0.2.1")
    delivery.drain(zone.pk)
    sweeper = Sweeper()
    assert (sweeper.once(), sweeper.once()) == (1, 0)
    # A worker has asked, in vain; half a second later it is time again.
    later = noon + timedelta(seconds=0.5)
    Change.objects.update(next_check_at=later)
    with clock.fixed(later):
        assert (sweeper.once(), sweeper.once()) == (1, 0)
    assert broker.sent == [(wake.VERIFY, zone.pk)] * 2


# --- deadlines ------------------------------------------------------------------------


@pytest.mark.django_db
def test_what_could_not_be_sent_in_time_fails_and_says_why(
    zone: Zone, store: Store, noon: datetime
) -> None:
    store.faults = Faults(unreachable=True)
    request = post(draft("create", "www", "A", "192.0.2.1"))
    needs = post(draft("replace", "www", "A", "192.0.2.2"))
    delivery.drain(zone.pk)
    Request.objects.filter(pk=needs.pk).update(deadline_at=noon + timedelta(days=9))
    deadline = fresh(request).deadline_at
    assert deadline is not None
    with clock.fixed(deadline - timedelta(seconds=1)):
        assert sweep.expire_overdue() == 0
    with clock.fixed(deadline):
        assert sweep.expire_overdue() == 1
        assert sweep.expire_overdue() == 0
    request = fresh(request)
    assert request.status == "failed"
    assert request.error == {
        "code": "deadline_exceeded",
        "detail": "not sent after 0 attempt(s) until its deadline: "
        "backend_unreachable: The DNS service could not be reached; nothing was sent.",
    }
    assert told(request)[-1] == "failed"
    assert fresh(needs).error_code == "dependency_failed"
    assert wanted(zone) == {}
    assert OutboxEvent.objects.count() == 2


@pytest.mark.django_db
def test_what_is_on_its_way_has_no_deadline(
    zone: Zone, store: Store, noon: datetime
) -> None:
    delivery.drain(zone.pk)
    store.faults = Faults(lose_message=True)
    request = add("www", "192.0.2.1")
    delivery.drain(zone.pk)
    with clock.fixed(noon + timedelta(days=2)):
        assert sweep.expire_overdue() == 0
    assert fresh(request).status == "provisioning"


@pytest.mark.django_db
def test_many_deadlines_cost_no_more_questions_than_one(
    zone: Zone, noon: datetime
) -> None:
    other = make_zone("other.test.")
    asked = []
    for count in (1, 6):
        for index in range(count):
            add(f"n{index}", "192.0.2.1")
            add(f"n{index}", "192.0.2.1", zone=other.name)
        with (
            clock.fixed(noon + timedelta(days=2)),
            CaptureQueriesContext(connection) as context,
        ):
            assert sweep.expire_overdue() == 2 * count
        asked.append(len(context))
    assert asked[0] == asked[1]
    assert states() == ["failed"] * 14


@pytest.mark.django_db
def test_the_trouble_of_one_zone_is_not_the_others(
    zone: Zone, broker: Broker, monkeypatch: pytest.MonkeyPatch
) -> None:
    broker.go_down()
    make_zone("other.test.")
    first, second = add("www", "192.0.2.1"), add("www", "192.0.2.1", zone="other.test.")
    drain = delivery.drain

    def stumble(zone_id: int) -> bool:
        if zone_id == zone.pk:
            raise RuntimeError("a mistake of ours")
        return drain(zone_id)

    monkeypatch.setattr(delivery, "drain", stumble)
    assert Sweeper().once() == 2
    assert states([first, second]) == ["queued", "completed"]


# --- tasks ----------------------------------------------------------------------------


@pytest.mark.django_db
def test_the_tasks_do_what_they_are_named_for(
    zone: Zone, monkeypatch: pytest.MonkeyPatch
) -> None:
    request = add("www", "192.0.2.1")
    tasks.deliver(zone.pk)
    assert fresh(request).status == "completed"
    second = add("ftp", "192.0.2.1")
    delivery.drain(zone.pk)
    tasks.verify(zone.pk)
    assert fresh(second).status == "completed"
    assert (tasks.deliver.name, tasks.verify.name) == (wake.DELIVER, wake.VERIFY)


@pytest.mark.django_db
def test_a_task_for_a_zone_that_is_gone_is_nothing(db: None) -> None:
    tasks.deliver(4711)
    tasks.verify(4711)
