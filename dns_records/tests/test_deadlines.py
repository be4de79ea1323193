"""Each state ends at its deadline, or says what it waits for and until when."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta

import pytest

from dns_records.models import Zone
from dns_records.providers.memory import Faults
from dns_records.services import delivery, schedules, verification
from dns_records.services.changes import ChangeSet
from dns_records.services.sweep import Sweeper
from dns_records.tests.conftest import Broker
from dns_records.tests.pretended import Servers
from dns_records.tests.world import (
    add,
    draft,
    fresh,
    hurry,
    make_zone,
    post,
    served,
    store_of,
    submit,
    wanted,
)
from dnsorch import clock
from requests_tracker import metrics
from requests_tracker.models import Request
from requests_tracker.status import OPEN, Status

pytestmark = pytest.mark.django_db

DAY = timedelta(days=1)
A = "192.0.2.1"


@pytest.fixture(autouse=True)
def alone(broker: Broker) -> None:
    """Let the sweep do all itself."""
    broker.go_down()


@contextmanager
def later(than: timedelta) -> Iterator[None]:
    """Be that much later."""
    with clock.fixed(clock.now() + than):
        yield


def stuck() -> int:
    """Return the gauge."""
    return metrics.overdue(clock.now()).count()


def test_every_state_has_its_test_here() -> None:
    """One that is added has to end too."""
    assert OPEN == {
        Status.RECEIVED,
        Status.QUEUED,
        Status.PROVISIONING,
        Status.VERIFYING,
        Status.SCHEDULED,
        # With a later issue.
        Status.AWAITING_APPROVAL,
    }


def test_received_is_over_when_the_answer_leaves(zone: Zone) -> None:
    for request in (add("www", A), post(draft("delete", "nothing", "A"))):
        assert fresh(request).status in ("queued", "rejected")
        assert (fresh(request).deadline_at is None) == fresh(request).is_final


def test_scheduled_ends_at_its_time(zone: Zone) -> None:
    tomorrow = schedules.at(
        ChangeSet(zone.name, [draft("add", "www", "A", A)]), clock.now() + DAY
    )
    submit(tomorrow)
    request = Request.objects.get()
    with later(DAY):
        assert stuck() == 0
    with later(2 * DAY):
        assert stuck() == 1  # nobody has swept
    past = clock.now() - timedelta(seconds=1)
    Request.objects.filter(pk=request.pk).update(not_before=past)
    Sweeper().once()
    assert fresh(request).status == "completed"


def test_queued_fails_at_its_deadline(zone: Zone) -> None:
    store_of(zone).faults = Faults(unreachable=True)
    request = add("www", A)
    delivery.drain(zone.pk)
    with later(DAY):
        assert stuck() == 1
        Sweeper().once()
        assert stuck() == 0
    assert fresh(request).status == "failed"
    assert fresh(request).error_code == "deadline_exceeded"
    assert wanted(zone) == {}


def test_provisioning_says_until_when_it_waits_and_ends_when_it_is_decided(
    zone: Zone,
) -> None:
    delivery.drain(zone.pk)
    store_of(zone).faults = Faults(lose_message=True)
    request = add("www", A)
    delivery.drain(zone.pk)
    store_of(zone).faults = Faults(unreachable=True)
    with later(DAY + timedelta(minutes=1)):
        hurry(zone)
        assert stuck() == 1
        Sweeper().once()
        # It may have been applied, so it is not final; but it says what it waits for.
        assert (fresh(request).status, stuck()) == ("provisioning", 0)
        last = fresh(request).events.order_by("sequence").last()
        assert last is not None and last.step == "backend_unavailable"
        at = fresh(request).next_attempt_at
        assert at is not None and at > clock.now()
        assert f"next attempt at {at:%H:%M:%S} UTC" in last.message

        store_of(zone).faults = Faults()
        hurry(zone)
        Sweeper().once()
        assert (fresh(request).is_final, stuck()) == (True, 0)
    assert wanted(zone) == served(zone)


@pytest.mark.leaves_stuck
def test_provisioning_is_stuck_once_that_moment_is_past(zone: Zone) -> None:
    """Nobody sweeps: the gauge says so."""
    delivery.drain(zone.pk)
    store_of(zone).faults = Faults(lose_message=True)
    request = add("www", A)
    delivery.drain(zone.pk)
    past = clock.now() - timedelta(hours=1)
    Request.objects.filter(pk=request.pk).update(deadline_at=past)
    assert stuck() == 0
    with later(timedelta(minutes=2)):
        assert stuck() == 1


def test_verifying_fails_at_the_deadline_of_its_zone(servers: Servers) -> None:
    zone = make_zone(
        nameservers=["127.0.0.1:53"], verify_policy="all", verify_deadline_s=60
    )
    request = add("www", A)
    delivery.drain(zone.pk)
    assert fresh(request).status == "verifying"
    with later(timedelta(seconds=61)):
        assert stuck() == 0
        Sweeper().once()
    assert (fresh(request).status, fresh(request).error_code) == (
        "failed",
        "not_verified",
    )


def test_verifying_may_outlast_the_deadline_for_sending(servers: Servers) -> None:
    """Sent in the last moment, it has all the time of its zone to be seen."""
    zone = make_zone(
        nameservers=["127.0.0.1:53"], verify_policy="all", verify_deadline_s=600
    )
    request = add("www", A)
    soon = clock.now() + timedelta(seconds=30)
    Request.objects.filter(pk=request.pk).update(deadline_at=soon)
    delivery.drain(zone.pk)
    assert fresh(request).status == "verifying"
    deadline = fresh(request).deadline_at
    assert deadline is not None and deadline > soon + timedelta(seconds=500)
    with later(timedelta(seconds=60)):
        verification.check(zone.pk)
        assert (fresh(request).status, stuck()) == ("verifying", 0)
