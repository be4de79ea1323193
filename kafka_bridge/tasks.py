"""Celery tasks of the bridge: what an operator starts in the admin."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from celery import shared_task

from kafka_bridge import replay as dead_letters
from kafka_bridge.exceptions import DeadLettersUnreadable


@shared_task(
    name=dead_letters.TASK,
    ignore_result=False,
    track_started=True,
    throws=(DeadLettersUnreadable,),
)
def replay(places: Sequence[str]) -> dict[str, Any]:
    """Put chosen dead letters back; the outcome is kept."""
    return dead_letters.run(places).as_dict()
