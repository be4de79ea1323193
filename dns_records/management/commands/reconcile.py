"""``manage.py reconcile ZONE``: what a zone's update server has, and what it should."""

from __future__ import annotations

import json
import sys
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from dns_records.management import tracked
from dns_records.management.zone_argument import zone_of
from dns_records.providers.errors import ProviderError
from dns_records.services import reconcile
from dns_records.services.orders import Order
from dns_records.services.reconcile import Audit
from requests_tracker.models import Source
from requests_tracker.services.idempotency import Answer


class Command(BaseCommand):
    """Compare a zone with its update server; with ``--restore`` put it right."""

    help = (
        "Compare a zone with what its update server holds (by AXFR, or by the API of "
        "its backend) and list the differences: missing, different, extra. With "
        "--restore what is missing or different is written again, as tracked requests "
        "that go through the zone's lane; what is extra is never touched. Exit code 0: "
        "as it should be, extras aside, or on its way there; 1: something is missing "
        "or different, or a request was rejected; 2: the server does not tell, or "
        "there is no such zone."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        """Declare the options."""
        parser.add_argument("zone", help="its name, such as example.test")
        parser.add_argument(
            "--restore",
            action="store_true",
            help="write again what is missing or different",
        )
        parser.add_argument(
            "--reason",
            default="asked for by manage.py reconcile",
            help="what the requests' timelines say (default: %(default)s)",
        )
        parser.add_argument("--json", action="store_true", help="print one JSON object")

    def handle(self, *args: Any, **options: Any) -> None:
        """Compare, put right if asked to, and say it by the exit code too."""
        zone = zone_of(options["zone"], returncode=tracked.CANNOT_TELL)
        try:
            audit = reconcile.audit(zone)
        except ProviderError as error:
            raise CommandError(error.detail, returncode=tracked.CANNOT_TELL) from error
        answers = []
        if options["restore"]:
            by = Order(options["reason"], tracked.REQUESTER, Source.COMMAND.value)
            answers = reconcile.restore(zone, audit.restorable, by)
        if options["json"]:
            report = {
                **audit.as_dict(),
                "requests": [tracked.made(each) for each in answers],
            }
            self.stdout.write(json.dumps(report))
        else:
            self._print(audit, answers)
        left = audit.restorable and not options["restore"]
        if left or any(answer.status >= 400 for answer in answers):
            sys.exit(tracked.DIFFERS)

    def _print(self, audit: Audit, answers: list[Answer]) -> None:
        for difference in audit.differences:
            self.stdout.write(str(difference))
        counts = ", ".join(f"{count} {kind}" for kind, count in audit.counts.items())
        self.stdout.write(
            f"{audit.zone} {audit.rrsets} RRsets compared: {counts}; "
            f"{audit.in_motion} left out, a change of them is on its way"
        )
        for answer in answers:
            made = tracked.made(answer)
            self.stdout.write(f"request {made['id']}: {made['status']}")
