"""Operator tasks: started or not at all, kept, shown, pruned."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Any

import pytest
from celery import current_app, states
from celery.app.task import Context
from django.test import Client
from pytest_django import DjangoAssertNumQueries
from pytest_django.fixtures import Settings

from dnsorch import clock
from dnsorch.operator_tasks import selectors, services
from dnsorch.operator_tasks.models import OperatorTask
from dnsorch.operator_tasks.outcome import Finding, Level, Outcome
from dnsorch.operator_tasks.tests.broker import Broker, use
from requests_tracker.tests.admin import staff

pytestmark = pytest.mark.django_db

URL = "/admin/operator_tasks/operatortask/"
GOOD = Finding("example.test.", "192.0.2.53:53", Level.OK, "answers <well>")
BAD = Finding("example.test.", "192.0.2.54:53", Level.PROBLEM, "is silent")


@pytest.fixture(autouse=True)
def broker(monkeypatch: pytest.MonkeyPatch) -> Broker:
    """Put a broker of the test's own in the place of the real one."""
    return use(monkeypatch)


def start(**fields: Any) -> OperatorTask:
    """Start a check of zone 17."""
    wanted = {
        "task": "dns_records.check_nameservers",
        "title": "Name-server check",
        "arguments": {"zone_ids": [17]},
        "about": {"zone:17": "example.test."},
        "started_by": "anna",
    }
    return services.start(**{**wanted, **fields})


def report(task: OperatorTask, state: str, result: Any, broker: Broker) -> None:
    """Have the result backend write what a worker reports."""
    request = Context(
        broker.options[-1]["headers"],
        id=task.task_id,
        task=task.task_name,
        kwargs=broker.sent[-1][1],
        hostname="worker@one",
    )
    current_app.backend.store_result(task.task_id, result, state, request=request)


def page(client: Client, task: OperatorTask) -> str:
    """Return the page of a task."""
    answer = client.get(f"{URL}{task.pk}/change/")
    assert answer.status_code == 200
    return answer.content.decode()


def test_what_was_started_is_published_and_kept(broker: Broker) -> None:
    task = start()
    assert broker.sent == [(task.task_name, {"zone_ids": [17]})]
    details = {
        "title": "Name-server check",
        "started_by": "anna",
        "about": {"zone:17": "example.test."},
        "arguments": {"zone_ids": [17]},
    }
    assert broker.options == [
        {"task_id": task.task_id, "headers": {"meta": details}, "retry": False}
    ]
    assert OperatorTask.objects.get().details == details
    assert (task.status, task.outcome, task.failure) == (states.PENDING, None, "")


def test_what_the_worker_reports_keeps_who_started_it(broker: Broker) -> None:
    task = start()
    created = task.date_created
    outcome = Outcome("1 of 2", (GOOD, BAD))
    report(task, states.STARTED, {"pid": 1}, broker)
    running = OperatorTask.objects.get()
    assert (running.is_running, running.is_done) == (True, False)
    report(task, states.SUCCESS, outcome.as_dict(), broker)
    (done,) = OperatorTask.objects.all()
    assert (done.started_by, done.title) == ("anna", "Name-server check")
    assert (done.outcome, done.worker) == (outcome, "worker@one")
    assert (done.date_created, done.is_done) == (created, True)


def test_a_broker_that_is_away_leaves_no_row(broker: Broker) -> None:
    broker.go_down()
    with pytest.raises(services.BrokerUnavailable) as caught:
        start()
    assert (caught.value.status, caught.value.retryable) == (503, True)
    assert OperatorTask.objects.count() == 0


def test_starting_one_deletes_what_has_expired(settings: Settings) -> None:
    settings.CELERY_RESULT_EXPIRES = timedelta(days=2)
    old, young = start(), start()
    for task, days in ((old, 3), (young, 1)):
        OperatorTask.objects.filter(pk=task.pk).update(
            date_done=clock.now() - timedelta(days=days)
        )
    new = start()
    assert set(OperatorTask.objects.values_list("pk", flat=True)) == {young.pk, new.pk}


def test_tasks_are_found_by_the_whole_name_they_are_about() -> None:
    first = start()
    start(about={"zone:18": "sub.example.test."})
    both = start(about={"zone:18": "sub.example.test.", "zone:17": "example.test."})
    assert [task.pk for task in selectors.about("example.test.")] == [both.pk, first.pk]
    assert list(selectors.about("xample.test.")) == []


@pytest.mark.parametrize(
    ("result", "text"),
    [
        ({"exc_type": "X", "exc_message": ["no", "way"]}, "no; way"),
        ({"exc_type": "X", "exc_message": "told"}, "told"),
        ({"exc_type": "TimeLimitExceeded", "exc_message": []}, "TimeLimitExceeded"),
        ({}, "no reason was given"),
    ],
)
def test_a_failure_is_told_in_words(result: Any, text: str) -> None:
    task = OperatorTask(status=states.FAILURE, result=json.dumps(result))
    assert task.failure == text
    assert task.outcome is None


def test_a_failure_of_a_real_task_is_told(broker: Broker, admin_client: Client) -> None:
    task = start()
    request = Context(broker.options[-1]["headers"], id=task.task_id)
    failure = services.BrokerUnavailable("Kafka is away")
    current_app.backend.mark_as_failure(task.task_id, failure, request=request)
    text = page(admin_client, task)
    assert "It failed: Kafka is away" in text
    assert "failed</span>" in text
    assert 'http-equiv="refresh"' not in text


def test_the_level_of_an_outcome_is_the_worst() -> None:
    assert Outcome("", ()).level == Level.OK
    assert Outcome("", (GOOD, BAD, GOOD)).level == Level.PROBLEM


# --- the pages ----------------------------------------------------------------------


def test_the_page_tells_how_it_went(admin_client: Client, broker: Broker) -> None:
    task = start()
    waiting = page(admin_client, task)
    assert "It waits for a worker." in waiting
    assert '<meta http-equiv="refresh" content="2">' in waiting
    report(task, states.STARTED, {}, broker)
    assert "A worker is at it." in page(admin_client, task)
    report(task, states.SUCCESS, Outcome("1 of 2", (GOOD, BAD)).as_dict(), broker)
    done = page(admin_client, task)
    for shown in (
        "<strong>1 of 2</strong>",
        "by anna",
        '<a href="/admin/dns_records/zone/17/change/">example.test.</a>',
        "answers &lt;well&gt;",
        "problem</span>",
        "worker@one",
        "<dt>zone ids</dt><dd>17</dd>",
    ):
        assert shown in done
    assert 'http-equiv="refresh"' not in done
    assert done.count('scope="rowgroup"') == 1


def test_a_task_that_nobody_ends_is_said_to_be_lost(admin_client: Client) -> None:
    task = start()
    with clock.fixed(clock.now() + timedelta(minutes=11)):
        text = page(admin_client, task)
    assert "No worker has reported its end: start it again." in text
    assert 'http-equiv="refresh"' not in text


@pytest.mark.parametrize("rows", [1, 9])
def test_the_list_asks_the_same_few_questions(
    admin_client: Client,
    django_assert_num_queries: DjangoAssertNumQueries,
    rows: int,
) -> None:
    for _ in range(rows):
        start()
    # session, user, kinds, suggestions of the zone filter, bounded count, rows
    with django_assert_num_queries(6):
        answer = admin_client.get(URL)
    assert len(answer.context["cl"].result_list) == rows


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ({}, 2),
        ({"zone": "Example.test"}, 1),
        ({"zone": "test."}, 0),
        ({"task": "kafka_bridge.replay"}, 1),
    ],
)
def test_tasks_are_filtered(
    admin_client: Client, query: dict[str, str], found: int
) -> None:
    start()
    names = {f"zone:{number}": f"z{number}.test." for number in range(5)}
    start(task="kafka_bridge.replay", about=names)
    answer = admin_client.get(URL, query)
    assert len(answer.context["cl"].result_list) == found
    if not query:
        text = answer.content.decode()
        assert "z0.test., z1.test., z2.test. and 2 more" in text
        assert ">check nameservers</a>" in text


def test_nobody_changes_a_task_and_only_some_look(
    admin_client: Client, client: Client
) -> None:
    task = start()
    for way in ("add/", f"{task.pk}/change/", f"{task.pk}/delete/"):
        assert admin_client.post(URL + way, {"post": "yes"}).status_code == 403
    staff(client, "view_zone")
    assert client.get(URL).status_code == 403
    assert client.get(f"{URL}{task.pk}/change/").status_code == 403


def test_the_pages_of_the_library_are_gone(admin_client: Client) -> None:
    answer = admin_client.get("/admin/django_celery_results/taskresult/")
    assert answer.status_code == 404


def test_wake_ups_keep_no_results() -> None:
    """The global setting; operator tasks alone say otherwise."""
    current_app.loader.import_default_modules()
    keeping = {
        name
        for name, task in current_app.tasks.items()
        if not name.startswith("celery.") and not task.ignore_result
    }
    assert keeping == {"dns_records.check_nameservers", "kafka_bridge.replay"}
