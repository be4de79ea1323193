"""How far imports of zones are."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any
from uuid import UUID

from dns_records.models import ImportPhase, ZoneImport
from dnsorch import clock


def progress(job: ZoneImport) -> dict[str, Any]:
    """Return how far an import is: the JSON form that a request shows.

    ``percent``, ``total`` and ``eta_s`` (seconds) are null while that is not known.
    """
    phase = ImportPhase.DONE if job.request.is_final else job.phase
    reading = phase == ImportPhase.READING
    total = None if reading else job.records
    percent: int | None = None
    if total is not None:
        percent = 100 * job.done // total if total else 100
    return {
        "phase": phase,
        "percent": percent,
        "records": job.records if reading else job.done,
        "total": total,
        "eta_s": 0 if phase == ImportPhase.DONE else _eta(job),
        "counts": dict(sorted(job.counts.items())),
        "left_out": job.left_out,
    }


def _eta(job: ZoneImport) -> int | None:
    if job.phase != ImportPhase.TAKING or not job.done or job.taking_since is None:
        return None
    took = (clock.now() - job.taking_since).total_seconds()
    return round(took * max(job.records - job.done, 0) / job.done)


def of_requests(request_ids: Iterable[UUID]) -> dict[UUID, dict[str, Any]]:
    """Return the progress of those requests that are imports."""
    if not (wanted := list(request_ids)):
        return {}
    jobs = ZoneImport.objects.filter(request__in=wanted).select_related("request")
    return {job.pk: progress(job) for job in jobs}
