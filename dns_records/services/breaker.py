"""The breaker of a backend: a server that is silent holds up its own lanes only.

Each question to a silent server costs a worker a timeout. After a few of them its
lanes wait without asking; now and then one lane tries, and its success lets all of
them go on. A backend may also have a limit of lanes that are at work at once, which
keeps a slow server from taking every worker, and dnsorch under a server's own limit
(BIND's ``update-quota``, 100 by default).

None of this is about safety, which is the lease's: the process's clock will do.
"""

from __future__ import annotations

import random
from dataclasses import dataclass
from datetime import datetime, timedelta

import structlog
from django.conf import settings
from django.db.models import F, Q
from django.db.models.functions import Now

from dns_records.models import Backend, Lane, LaneState
from dns_records.providers.errors import (
    OutcomeUnknown,
    ProviderError,
    TooLate,
    Unreachable,
)
from dns_records.retry import Backoff
from dnsorch import clock

logger = structlog.get_logger(__name__)

# Silences in a row after which the backend is left alone. Those of lanes that were
# asking at the same time count as one.
OPENS_AFTER = 2
BACKOFF = Backoff(first_s=1.0, longest_s=30.0)
# While one lane tries, the others wait for so long: a timeout and some more.
TRIAL = timedelta(seconds=10)
FULL = timedelta(seconds=0.25)


@dataclass(frozen=True)
class Held:
    """A lane may not ask its backend before ``until``."""

    until: datetime
    error: Unreachable


def admit(backend: Backend) -> Held | None:
    """Let a lane ask its backend; or say until when it waits, and for what."""
    if backend.failures < OPENS_AFTER or backend.not_before is None:
        return None
    now = clock.now()
    if backend.not_before <= now:
        due = Backend.objects.filter(pk=backend.pk, not_before=backend.not_before)
        if due.update(not_before=now + TRIAL):
            return None
        backend.refresh_from_db(fields=["not_before"])
    until = backend.not_before or now
    detail = f"{backend.name} does not answer: {backend.last_error}"
    return Held(until, Unreachable(detail))


def has_room(backend: Backend) -> bool:
    """Say whether the lanes that hold a lease, the caller's too, are not too many."""
    limit: int = settings.DNSORCH_LANES_PER_BACKEND
    if not limit:
        return True
    busy = Lane.objects.filter(zone__backend=backend, lease_expires_at__gt=Now())
    return busy.count() <= limit


def hold(zone_id: int, until: datetime, error: ProviderError | None = None) -> None:
    """Have a lane that nobody holds wait until then."""
    free = Q(lease_expires_at__isnull=True) | Q(lease_expires_at__lte=Now())
    why: dict[str, object] = {}
    if error is not None:
        why = {"state": LaneState.UNAVAILABLE, "last_error": error.detail}
    Lane.objects.filter(free, zone=zone_id).update(not_before=until, **why)


def note(backend: Backend, error: ProviderError | None) -> None:
    """Note whether the backend answered; an error may be an answer as well."""
    if _is_silence(error):
        _note_silence(backend, error)
    elif backend.failures:
        _close(backend)


def _is_silence(error: ProviderError | None) -> bool:
    if isinstance(error, OutcomeUnknown):
        return not error.answered
    return isinstance(error, Unreachable) and not isinstance(error, TooLate)


def _note_silence(backend: Backend, error: ProviderError | None) -> None:
    failures = backend.failures + 1
    opens = failures >= OPENS_AFTER
    delay = BACKOFF.delay(failures - OPENS_AFTER + 1, random.random())
    # Who was asking at the same time finds another number there.
    seen = Backend.objects.filter(pk=backend.pk, failures=backend.failures)
    noted = seen.update(
        failures=F("failures") + 1,
        last_error=error.detail if error else "",
        not_before=clock.now() + delay if opens else None,
    )
    backend.refresh_from_db(fields=["failures", "not_before", "last_error"])
    if noted and failures == OPENS_AFTER:
        logger.warning("backend left alone", backend=backend.name, error=str(error))


def _close(backend: Backend) -> None:
    fields = {"failures": 0, "not_before": None, "last_error": ""}
    if Backend.objects.filter(pk=backend.pk, failures__gt=0).update(**fields):
        waiting = Lane.objects.filter(
            zone__backend=backend, state=LaneState.UNAVAILABLE
        )
        waiting.update(not_before=None)
        logger.info("backend answers again", backend=backend.name)
    backend.failures, backend.not_before, backend.last_error = 0, None, ""
