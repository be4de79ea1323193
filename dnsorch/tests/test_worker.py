"""What a process of the worker's pool does about its memory and its connection."""

from __future__ import annotations

import gc
from types import SimpleNamespace
from typing import Any

import pytest
from celery import signals
from celery.fixups import django as fixups
from django.db import connection

from dnsorch import worker
from dnsorch.celery import app

# Celery's types do not know all of it.
celery_fixups: Any = fixups


@pytest.mark.embedded
def test_what_is_there_is_shared_with_the_processes_of_the_pool() -> None:
    receivers = [get() for _, get in signals.worker_before_create_process.receivers]
    assert worker.spare_what_stays in receivers
    worker.spare_what_stays()
    try:
        assert gc.get_freeze_count() > 10_000
        assert gc.isenabled()
    finally:
        gc.unfreeze()


# --- the connection to the database ---------------------------------------------------


def begin_task(*, is_eager: bool = False) -> None:
    """Say what Celery says before it runs a task in a process of the pool."""
    task = SimpleNamespace(request=SimpleNamespace(is_eager=is_eager))
    worker.keep_database_connection(task=task)
    celery_fixups.DjangoWorkerFixup(app).close_database()


def test_celery_says_when_a_task_begins() -> None:
    receivers = [get() for _, get in signals.task_prerun.receivers]
    assert worker.keep_database_connection in receivers


@pytest.mark.django_db(transaction=True)
def test_a_task_has_the_connection_of_the_one_before() -> None:
    connection.ensure_connection()
    first = connection.connection
    for _ in range(3):
        begin_task()
        assert connection.connection is first


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("is_eager", [False, True])
def test_a_connection_that_is_too_old_is_closed_before_a_task(is_eager: bool) -> None:
    """Not before one that runs within a request: it has the request's."""
    connection.ensure_connection()
    connection.close_at = 0.0
    begin_task(is_eager=is_eager)
    assert (connection.connection is None) is not is_eager
