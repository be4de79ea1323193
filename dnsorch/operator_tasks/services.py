"""Starting an operator task: it is published at once, or nothing has happened."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any
from uuid import uuid4

import structlog
from celery import current_app, states
from django.conf import settings
from kombu.exceptions import KombuError

from dnsorch import clock
from dnsorch.exceptions import DnsorchError
from dnsorch.operator_tasks.models import OperatorTask

logger = structlog.get_logger(__name__)


class BrokerUnavailable(DnsorchError):
    """The broker takes no tasks now, so nothing was started."""

    code = "broker_unavailable"
    status = 503
    retryable = True


def start(
    *,
    task: str,
    title: str,
    arguments: Mapping[str, Any],
    about: Mapping[str, str],
    started_by: str,
) -> OperatorTask:
    """Publish a task by name and return the row that tells how it goes.

    ``arguments`` are ids, never rows; ``about`` names what the task is about by a key
    such as ``zone:17``. Rows that have expired are deleted on the way.

    Raises:
        BrokerUnavailable: the broker does not take it; no row is left.
    """
    prune()
    details = {
        "title": title,
        "started_by": started_by,
        "about": dict(about),
        "arguments": dict(arguments),
    }
    # There before a worker can be: until then it is what says who started it.
    row: OperatorTask = OperatorTask.objects.create(
        task_id=str(uuid4()),
        task_name=task,
        status=states.PENDING,
        content_type="application/json",
        content_encoding="utf-8",
        meta=json.dumps(details),
    )
    try:
        current_app.send_task(
            task,
            task_id=row.task_id,
            kwargs=dict(arguments),
            # The worker writes it again with each state (django-celery-results).
            headers={"meta": details},
            retry=False,
        )
    except (KombuError, OSError) as error:
        row.delete()
        logger.warning("task not published", task=task, error=type(error).__name__)
        raise BrokerUnavailable from error
    logger.info("operator task started", task=task, task_id=row.task_id, by=started_by)
    return row


def prune() -> None:
    """Delete what is older than ``CELERY_RESULT_EXPIRES``."""
    expired = clock.now() - settings.CELERY_RESULT_EXPIRES
    OperatorTask.objects.filter(date_done__lt=expired).delete()
