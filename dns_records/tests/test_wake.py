"""Wake-ups: hints that cost nobody anything."""

from __future__ import annotations

import os
import threading
import warnings
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from uuid import uuid4

import pytest
from celery import Celery
from django.db import transaction
from kombu.exceptions import ConnectionLimitExceeded, OperationalError

from dns_records.models import Lane
from dns_records.services import lanes, wake
from dns_records.services.wake import backlog
from dns_records.tests.conftest import Broker
from dns_records.tests.world import add, make_zone
from dnsorch import clock


class Seconds:
    """A monotonic clock that a test sets."""

    def __init__(self) -> None:
        """Start a day after the machine did."""
        self.now = 86_400.0

    def monotonic(self) -> float:
        """Return the time."""
        return self.now


@pytest.fixture
def seconds(monkeypatch: pytest.MonkeyPatch) -> Seconds:
    """Put a clock of the test's own into the module."""
    seconds = Seconds()
    monkeypatch.setattr(wake, "time", seconds)
    return seconds


def test_a_wake_up_is_published_by_the_name_of_its_task(broker: Broker) -> None:
    assert wake.publish(wake.VERIFY, 7) is True
    assert broker.sent == [("dns_records.verify", 7)]


@pytest.mark.parametrize(
    "error",
    [
        OperationalError("refused"),
        ConnectionLimitExceeded(10),
        ConnectionResetError(),
        TimeoutError(),
    ],
    ids=lambda error: type(error).__name__,
)
def test_a_broker_that_is_down_is_left_alone_for_a_while(
    broker: Broker, seconds: Seconds, error: Exception
) -> None:
    broker.error = error
    assert wake.publish(wake.DELIVER, 7) is False
    seconds.now += wake.PAUSE_S - 0.1
    assert wake.publish(wake.DELIVER, 7) is False
    assert broker.tries == 1
    broker.error = None
    seconds.now += 0.1
    assert wake.publish(wake.DELIVER, 7) is True
    assert broker.sent == [(wake.DELIVER, 7)]


def test_one_finds_out_whether_the_broker_is_back(
    broker: Broker, seconds: Seconds
) -> None:
    """The others do not wait for a broker that says nothing until the timeout."""
    broker.go_down()
    assert wake.publish(wake.DELIVER, 7) is False
    seconds.now += wake.PAUSE_S
    others: list[bool] = []

    def hang(name: str, **options: object) -> None:
        others.append(wake.publish(wake.DELIVER, 8))
        raise TimeoutError

    broker.send_task = hang  # type: ignore[method-assign]
    assert wake.publish(wake.DELIVER, 7) is False
    assert others == [False]


def test_a_mistake_of_ours_is_not_taken_for_a_broker_that_is_down(
    broker: Broker,
) -> None:
    broker.error = KeyError("no such task")
    with pytest.raises(KeyError):
        wake.publish(wake.DELIVER, 7)


@pytest.mark.django_db(transaction=True)
def test_nothing_is_published_before_the_commit_or_without_it(broker: Broker) -> None:
    zone = make_zone()
    with transaction.atomic():
        wake.after_commit(zone.pk)
        assert broker.sent == []
    assert broker.sent == [(wake.DELIVER, zone.pk)]
    Lane.objects.update(dirty=False)
    with pytest.raises(RuntimeError), transaction.atomic():
        wake.after_commit(zone.pk)
        raise RuntimeError
    assert broker.sent == [(wake.DELIVER, zone.pk)]
    assert Lane.objects.get().dirty is False


@pytest.mark.django_db(transaction=True)
def test_who_holds_the_lease_sees_the_flag_and_needs_no_hint(broker: Broker) -> None:
    zone = make_zone()
    lease = lanes.acquire(zone.pk)
    assert lease is not None
    wake.mark(zone.pk)
    assert (broker.sent, lanes.release(lease)) == ([], False)
    lanes.hand_back(lease)
    # He may be dead as well.
    for ends in (None, clock.now() - timedelta(seconds=1)):
        broker.sent.clear()
        Lane.objects.update(dirty=False, lease_expires_at=ends)
        wake.mark(zone.pk)
        assert broker.sent == [(wake.DELIVER, zone.pk)]


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("error", [OperationalError("refused"), KeyError("ours")])
def test_a_client_never_hears_of_it(broker: Broker, error: Exception) -> None:
    make_zone()
    broker.error = error
    assert add("a", "192.0.2.1").status == "queued"
    assert Lane.objects.get().dirty is True


@pytest.mark.django_db(transaction=True)
def test_a_client_does_not_wait_for_a_broker_that_says_nothing(
    broker: Broker, monkeypatch: pytest.MonkeyPatch
) -> None:
    zone = make_zone()
    silent, tried = threading.Event(), threading.Event()

    def hang(name: str, **options: object) -> None:
        tried.set()
        silent.wait(10)
        broker.sent.append((name, zone.pk))

    monkeypatch.setattr(broker, "send_task", hang)
    with ThreadPoolExecutor(1) as aside:
        monkeypatch.setattr(wake, "_aside", aside)
        assert add("a", "192.0.2.1").status == "queued"
        assert tried.wait(5)
        assert broker.sent == []
        silent.set()
    assert broker.sent == [(wake.DELIVER, zone.pk)]


def test_a_forked_process_has_a_thread_of_its_own(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with ThreadPoolExecutor(1) as before:
        monkeypatch.setattr(wake, "_aside", before)
        with warnings.catch_warnings():
            # Python warns of forks beside threads; this one ends at once.
            warnings.simplefilter("ignore")
            pid = os.fork()
        if pid == 0:
            os._exit(0 if wake._aside is not before else 1)
        assert os.waitpid(pid, 0)[1] == 0
        assert wake._aside is before


# --- what the broker holds ------------------------------------------------------------


@pytest.fixture
def at_broker(monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    """Put applications with a broker and a queue of their own into the module."""

    def use(url: str) -> None:
        # It comes before what the application is told.
        monkeypatch.setenv("CELERY_BROKER_URL", url)
        app = Celery("backlog", set_as_current=False)
        app.conf.task_default_queue = uuid4().hex
        monkeypatch.setattr(wake, "current_app", app)

    return use


@pytest.mark.parametrize("count", [0, 3])
def test_the_broker_says_how_many_hints_it_holds(
    at_broker: Callable[[str], None], count: int
) -> None:
    at_broker("memory://")
    for number in range(count):
        assert wake.publish(wake.DELIVER, number)
    assert backlog() == count
    assert wake.publish(wake.DELIVER, 1), "asking leaves the connection usable"


@pytest.mark.parametrize("url", ["redis://127.0.0.1:1/0", "amqp://127.0.0.1:1//"])
def test_a_broker_that_is_away_holds_nothing_that_we_know_of(
    at_broker: Callable[[str], None], url: str
) -> None:
    at_broker(url)
    assert backlog() == 0
    assert not wake.publish(wake.DELIVER, 1), "nor is it tried at once"


def test_a_broker_that_did_not_answer_is_not_asked(
    broker: Broker, seconds: Seconds
) -> None:
    broker.go_down()
    assert not wake.publish(wake.DELIVER, 1)
    assert backlog() == 0
