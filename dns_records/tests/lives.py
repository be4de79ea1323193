"""Times to come, and how tests let them come."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any

from django.db import connection

from dns_records.models import Record
from dnsorch import clock
from requests_tracker.models import Request


def ahead(**span: float) -> str:
    """Return a time to come as clients write it."""
    return (clock.now() + timedelta(**span)).isoformat()


def let_it_be_due(request_id: str | None = None, by: float = 1) -> None:
    """Let the time of one scheduled request, or of all, have come."""
    due = clock.now() - timedelta(seconds=by)
    rows = Request.objects.filter(status="scheduled")
    if request_id:
        rows = rows.filter(pk=request_id)
    assert rows.update(not_before=due)


def let_them_end(*values: str) -> None:
    """Let the lives of records be over, of all by default."""
    rows = Record.objects.filter(expires_at__isnull=False)
    if values:
        rows = rows.filter(rdata__in=values)
    assert rows.update(expires_at=clock.now() - timedelta(seconds=1))


def ends() -> dict[str, Any]:
    """Return when each record that has an end ends."""
    rows = Record.objects.filter(expires_at__isnull=False)
    return dict(rows.values_list("rdata", "expires_at"))


def removals() -> list[Request]:
    """Return the requests that expiry made, oldest first."""
    return list(Request.objects.filter(source="schedule").order_by("pk"))


def at_once(act: Callable[[], object]) -> None:
    """Do something in two threads that begin together."""
    barrier = threading.Barrier(2)

    def run() -> None:
        try:
            barrier.wait(10)
            act()
        finally:
            connection.close()

    with ThreadPoolExecutor(2) as pool:
        for future in [pool.submit(run) for _ in range(2)]:
            future.result(60)
