"""``manage.py run_broker``: the embedded Celery broker."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from dnsorch.embedded import broker
from dnsorch.embedded.errors import BrokerUnavailable


class Command(BaseCommand):
    """Run a Valkey server on a Unix socket until SIGTERM or SIGINT."""

    help = (
        "Runs the embedded broker (Valkey, in memory) on the Unix socket of "
        "CELERY_BROKER_URL, which only its owner may use. SIGTERM ends it with exit "
        "code 0."
    )
    requires_system_checks: list[str] = []

    def handle(self, *args: Any, **options: Any) -> None:
        """Become the server; no binary for this machine is one line, exit code 1."""
        try:
            socket = broker.socket_of(settings.CELERY_BROKER_URL)
            self.stdout.write(f"broker listens on {socket}")
            self.stdout.flush()
            broker.run(socket)
        except BrokerUnavailable as error:
            raise CommandError(error.detail) from error
