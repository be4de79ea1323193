"""``manage.py dns_docs``: the page about types, rules and limits."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand

from dns_records import docs
from dns_records.providers import registry


class Command(BaseCommand):
    """Print ``docs/dns.md`` as the code has it."""

    help = (
        "Print the tables of record types, rules and limits, as docs/dns.md holds them."
    )
    requires_system_checks = ()

    def handle(self, *args: Any, **options: Any) -> None:
        """Print the page."""
        drivers = {
            name: registry.provider_class(name) for name in settings.DNSORCH_PROVIDERS
        }
        self.stdout.write(docs.page(drivers), ending="")
