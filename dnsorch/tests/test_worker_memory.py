"""What a process of the worker's pool does about its memory."""

from __future__ import annotations

import gc

import pytest
from celery import signals

from dnsorch import worker

pytestmark = pytest.mark.embedded


def test_what_is_there_is_shared_with_the_processes_of_the_pool() -> None:
    receivers = [get() for _, get in signals.worker_before_create_process.receivers]
    assert worker.spare_what_stays in receivers
    worker.spare_what_stays()
    try:
        assert gc.get_freeze_count() > 10_000
        assert gc.isenabled()
    finally:
        gc.unfreeze()
