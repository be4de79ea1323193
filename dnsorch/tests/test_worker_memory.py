"""What a process of the worker's pool does about its memory."""

from __future__ import annotations

import gc

import pytest
from celery import signals

from dnsorch import worker

pytestmark = pytest.mark.embedded


def test_a_process_of_the_pool_spares_what_is_there_when_it_begins() -> None:
    receivers = [get() for _, get in signals.worker_process_init.receivers]
    assert worker.spare_what_stays in receivers
    worker.spare_what_stays()
    try:
        assert gc.get_freeze_count() > 10_000
        assert gc.isenabled()
    finally:
        gc.unfreeze()
