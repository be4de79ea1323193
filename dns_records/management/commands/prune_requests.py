"""``manage.py prune_requests``: forget what has been final for long enough."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from functools import partial
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser

from dns_records.services import retention
from dnsorch import clock
from requests_tracker.services import retention as tracker


class Command(BaseCommand):
    """Forget old requests, expired idempotency keys and old messages."""

    help = (
        "Forget requests that were final so many days ago, with their timelines and "
        "changes; idempotency keys after DNSORCH_IDEMPOTENCY_DAYS; and UPDATE messages "
        "that no change refers to any more. What is open, what an open request refers "
        "to, what has an outcome to be published or a key that still acts, stays. May "
        "run beside everything else, as often as you like."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        """Declare the options."""
        parser.add_argument(
            "--older-than",
            type=float,
            default=settings.DNSORCH_REQUEST_RETENTION_DAYS,
            metavar="DAYS",
            help="days since they were final (default: %(default)s, by "
            "DNSORCH_REQUEST_RETENTION_DAYS)",
        )
        parser.add_argument(
            "--batch",
            type=int,
            default=500,
            metavar="N",
            help="how many are forgotten in one transaction (default: %(default)s)",
        )
        parser.add_argument(
            "--dry-run", action="store_true", help="only say how many there are"
        )

    def handle(self, *args: Any, **options: Any) -> None:
        """Go on step by step until nothing old is left; say how far it is."""
        days, limit = options["older_than"], options["batch"]
        if not 0 <= days <= 36_500:
            raise CommandError("--older-than: 0 to 36500 days")
        if not 0 < limit <= 10_000:
            raise CommandError("--batch: 1 to 10000")
        before = clock.now() - timedelta(days=days)
        if options["dry_run"]:
            self._count("request(s)", retention.prunable(before).count())
            self._count("idempotency key(s)", tracker.expired_keys().count())
            self._count("message(s)", retention.old_messages(before).count())
            return
        # Keys first: a request is kept for as long as its key acts.
        self._prune("idempotency key(s)", partial(retention.prune_keys, limit), limit)
        step = partial(retention.prune_requests, before, limit)
        self._prune("request(s)", step, limit)
        step = partial(retention.prune_messages, before, limit)
        self._prune("message(s)", step, limit)

    def _prune(self, what: str, step: Callable[[], int], limit: int) -> None:
        total = done = step()
        while done == limit:
            self.stderr.write(f"{total} {what} so far")
            done = step()
            total += done
        self.stdout.write(f"{total} {what} forgotten")

    def _count(self, what: str, count: int) -> None:
        self.stdout.write(f"{count} {what} would be forgotten")
