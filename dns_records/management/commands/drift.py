"""``manage.py drift ZONE``: what is open, and what shall be done about it."""

from __future__ import annotations

import json
import sys
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from dns_records import selectors
from dns_records.images import Key
from dns_records.management import tracked
from dns_records.management.zone_argument import zone_of
from dns_records.models import AuditKind
from dns_records.services import drift_requests
from dnsorch.exceptions import Invalid


class Command(BaseCommand):
    """List open drift; with ``--resolve`` have it restored or adopted."""

    help = (
        "List the RRsets of a zone that its last audits found not as they were left. "
        "With --resolve restore what is wanted is written again, with --resolve adopt "
        "what is served becomes what is wanted; both as a tracked request. What is "
        "extra is never deleted. Exit code 0: no drift, or accepted; 1: there is "
        "drift, or the request was rejected; 2: there is no such zone."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        """Declare the options."""
        parser.add_argument("zone", help="its name, such as example.test")
        parser.add_argument("--name", default="", help="only of this owner name")
        parser.add_argument("--type", default="", help="only of this type")
        parser.add_argument(
            "--resolve",
            choices=[AuditKind.RESTORE.value, AuditKind.ADOPT.value],
            help="what is wanted, or what is served",
        )
        parser.add_argument("--json", action="store_true", help="print one JSON object")

    def handle(self, *args: Any, **options: Any) -> None:
        """List, or resolve, and say it by the exit code too."""
        zone = zone_of(options["zone"], returncode=tracked.CANNOT_TELL)
        name, rtype = options["name"], options["type"]
        try:
            rows = list(selectors.drift.in_zone(zone, name=name, rtype=rtype))
        except Invalid as error:
            raise CommandError(error.detail, returncode=tracked.CANNOT_TELL) from error
        requests = []
        if options["resolve"]:
            # All of the zone needs no list of names.
            keys = [Key(row.name, row.type) for row in rows] if name or rtype else None
            answer = drift_requests.resolve(
                zone, tracked.ACCESS, by=options["resolve"], keys=keys
            )
            requests.append(tracked.made(answer))
        if options["json"]:
            drift = [selectors.drift.body(row) for row in rows]
            self.stdout.write(json.dumps({"drift": drift, "requests": requests}))
        else:
            for row in rows:
                self.stdout.write(str(row))
            for each in requests:
                self.stdout.write(f"request {each['id']}: {each['status']}")
        refused = any(each["status"] != "queued" for each in requests)
        if refused or (rows and not requests):
            sys.exit(tracked.DIFFERS)
