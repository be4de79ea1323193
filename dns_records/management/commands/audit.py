"""``manage.py audit ZONE``: have a zone compared with its update server, tracked."""

from __future__ import annotations

import json
import sys
import time
from typing import Any
from uuid import UUID

from django.core.management.base import BaseCommand, CommandParser

from dns_records import selectors
from dns_records.management import tracked
from dns_records.management.zone_argument import zone_of
from dns_records.models import Drift, Zone
from dns_records.services import audits, drift_requests, findings
from requests_tracker.models import Request
from requests_tracker.status import Status

PAUSE_S = 0.5


class Command(BaseCommand):
    """Ask for an audit; with ``--wait`` see it through, and show what it found."""

    help = (
        "Have a zone compared with what its update server holds, as a tracked request "
        "that a worker sees to. With --wait this process does so itself if nobody else "
        "is at it, and the drift that is open then is listed. Exit code 0: accepted, "
        "or no drift; 1: there is drift; 2: the server does not tell, or there is no "
        "such zone."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        """Declare the options."""
        parser.add_argument("zone", help="its name, such as example.test")
        parser.add_argument("--wait", action="store_true", help="until it is done")
        parser.add_argument("--json", action="store_true", help="print one JSON object")

    def handle(self, *args: Any, **options: Any) -> None:
        """Ask, wait if asked to, and say it by the exit code too."""
        zone = zone_of(options["zone"], returncode=tracked.CANNOT_TELL)
        answer = drift_requests.audit(zone, tracked.ACCESS)
        assert answer.request_id is not None  # it is tracked
        if options["wait"]:
            _see_through(zone, answer.request_id)
        request = Request.objects.get(pk=answer.request_id)
        rows = findings.open_in(zone).select_related("zone").order_by("name", "type")
        if options["json"]:
            (shown,) = selectors.requests.v2([request])
            drift = [selectors.drift.body(row) for row in rows.iterator()]
            self.stdout.write(json.dumps({"request": shown, "drift": drift}))
        else:
            self._print(request, list(rows) if request.is_final else [])
        if request.status == Status.FAILED:
            sys.exit(tracked.CANNOT_TELL)
        if request.is_final and rows.exists():
            sys.exit(tracked.DIFFERS)

    def _print(self, request: Request, rows: list[Drift]) -> None:
        for row in rows:
            self.stdout.write(str(row))
        for told in request.events.filter(step="verified"):
            self.stdout.write(f"{request.zone} {told.message}")
        why = f": {request.error['detail']}" if request.error else ""
        self.stdout.write(f"request {request.pk}: {request.status}{why}")


def _see_through(zone: Zone, request_id: UUID) -> None:
    """Do the audit here unless somebody is at it, and wait for its end."""
    while True:
        audits.run_due(zone.pk)
        if Request.objects.get(pk=request_id).is_final:
            return
        time.sleep(PAUSE_S)
