"""Settings without which an answer would be worth less than it says."""

from __future__ import annotations

import pytest
from django.db import connection

from dnsorch.celery import app


@pytest.mark.parametrize(
    ("name", "value"),
    [
        # Raised at any instruction, also within COMMIT.
        ("task_soft_time_limit", None),
        # SIGTERM is a warm shutdown: the task that runs is finished.
        ("worker_enable_soft_shutdown_on_idle", False),
        ("worker_soft_shutdown_timeout", 0.0),
        ("worker_cancel_long_running_tasks_on_connection_loss", False),
        # A hint is worth nothing after a crash: the sweep finds the rows.
        ("task_acks_late", False),
        ("task_reject_on_worker_lost", None),
        ("task_ignore_result", True),
    ],
)
def test_a_worker_is_never_interrupted_within_its_task(
    name: str, value: object
) -> None:
    assert getattr(app.conf, name) == value


@pytest.mark.django_db
def test_what_is_committed_survives_a_power_cut() -> None:
    with connection.cursor() as cursor:
        if connection.vendor == "postgresql":
            cursor.execute("SHOW synchronous_commit")
            assert cursor.fetchone() == ("on",)
        else:
            cursor.execute("PRAGMA synchronous")
            assert cursor.fetchone() == (2,)  # FULL
            cursor.execute("PRAGMA journal_mode")
            assert cursor.fetchone() == ("wal",)
