"""Saying that a lane has work: a hint that may be lost, doubled or late.

The database is the truth and the sweep looks at it every second; a wake-up only
makes it faster. So publishing fails fast, and a client never waits for it: a thread
beside its request does it.
"""

from __future__ import annotations

import os
import time
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from typing import Any, Protocol

import structlog
from celery import current_app
from django.db import transaction
from kombu.exceptions import KombuError

from dns_records.models import Lane
from dnsorch import clock, prepared
from dnsorch.prepared import UpdateOf

logger = structlog.get_logger(__name__)

DELIVER = "dns_records.deliver"
VERIFY = "dns_records.verify"
RECONCILE = "dns_records.reconcile"
AUDIT = "dns_records.audit"
WATCH = "dns_records.watch_serial"
IMPORT = "dns_records.import_zone"
# After a failure nothing is published for so long: the sweep is there. A broker that
# takes connections and says nothing costs whoever tries it a timeout.
PAUSE_S = 15.0

# 0: the broker took the last one.
_paused_until = 0.0


class Executor(Protocol):
    """Runs a function without the caller waiting for it."""

    def submit(self, run: Any, /, *args: Any) -> object:
        """Have ``run`` called with ``args``."""


def _new_executor() -> Executor:
    return ThreadPoolExecutor(1, thread_name_prefix="wake")


# One thread a process: what a silent broker holds up is other hints.
_aside = _new_executor()


def _renew() -> None:
    """Begin anew in a forked process, where the thread does not exist."""
    global _aside
    _aside = _new_executor()


os.register_at_fork(after_in_child=_renew)


def after_commit(zone_id: int) -> None:
    """Wake the lane once the running transaction has committed."""
    transaction.on_commit(lambda: mark(zone_id), robust=True)


def mark(zone_id: int) -> None:
    """Set the lane's dirty flag; publish if it was not set and nobody is at work."""
    for lane in _set_dirty(zone_id):
        ends = lane.lease_expires_at
        # Who has the lease finds the flag before giving it back.
        if ends is None or ends <= clock.now():
            publish_aside(DELIVER, zone_id)


@prepared.returning
def _set_dirty(zone_id: int) -> UpdateOf[Lane]:
    return Lane.objects.filter(zone=zone_id, dirty=False), {"dirty": True}


def publish_aside(task: str, zone_id: int) -> None:
    """Publish a wake-up without waiting for the broker."""
    # With the context goes the trace that the hint belongs to.
    _aside.submit(copy_context().run, _publish_or_log, task, zone_id)


def _publish_or_log(task: str, zone_id: int) -> None:
    try:
        publish(task, zone_id)
    except Exception:  # nobody looks at what becomes of it
        logger.exception("wake-up not published", task=task)


def publish(task: str, zone_id: int) -> bool:
    """Publish a wake-up by task name; say whether the broker took it."""
    global _paused_until
    if time.monotonic() < _paused_until:
        return False
    if _paused_until:
        # One finds out whether the broker is back; the others do not wait for it.
        _paused_until = time.monotonic() + PAUSE_S
    try:
        current_app.send_task(task, args=[zone_id], retry=False)
    except (KombuError, OSError) as error:
        _pause("wake-up not published", error, task=task)
        return False
    _paused_until = 0.0
    return True


def backlog() -> int:
    """Return how many hints the broker holds that no worker has taken.

    0 where it cannot be asked, or does not say: some transports cannot count.
    """
    if time.monotonic() < _paused_until:
        return 0
    app: Any = current_app
    with app.pool.acquire() as broker:
        try:
            with broker.channel() as channel:
                # As Celery declares it. Passively it would not be found in Redis,
                # where kombu forgets the prefix of the keys in this question.
                queue = app.conf.task_default_queue
                asked = channel.queue_declare(queue, durable=True, auto_delete=False)
                return int(asked.message_count)
        except broker.channel_errors:
            return 0  # it was declared by others, in another way
        except broker.connection_errors as error:
            _pause("backlog not known", error)
            return 0


def _pause(what: str, error: Exception, **about: str) -> None:
    """Leave a broker that failed alone for a while."""
    global _paused_until
    _paused_until = time.monotonic() + PAUSE_S
    logger.warning(what, error=type(error).__name__, **about)
