"""``manage.py explain NAME TYPE``: why an RRset is, or is not, what servers answer."""

from __future__ import annotations

import json
import sys
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from dns_records.explanation import Server
from dns_records.images import Image
from dns_records.services import explain
from dns_records.services.explain import Explanation
from dnsorch.exceptions import Invalid
from dnsorch.tokens.access import Access
from requests_tracker.models import Source

NOT_LIVE = 1
CANNOT_TELL = 2


class Command(BaseCommand):
    """Say of an RRset what is wanted, who asked for it, and what is answered now."""

    help = (
        "Say of an RRset what is wanted, which requests made it so, what each name "
        "server of its zone answers now, and in one sentence why it is or is not "
        "live. Exit code 0: every name server answers as is wanted; 1: not, or not "
        "yet; 2: it is no name or no type."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        """Declare the arguments."""
        parser.add_argument("name", help="an absolute name, such as www.example.test")
        parser.add_argument("type", help="a type, such as A")
        parser.add_argument("--json", action="store_true", help="print one JSON object")

    def handle(self, *args: Any, **options: Any) -> None:
        """Explain it, by the exit code too."""
        access = Access("manage.py", Source.COMMAND.value)
        try:
            found = explain.explain(access, options["name"], options["type"])
        except Invalid as error:
            raise CommandError(error.detail, returncode=CANNOT_TELL) from error
        if options["json"]:
            self.stdout.write(json.dumps(found.as_dict()))
        else:
            self._print(found)
        if not found.verdict.live:
            sys.exit(NOT_LIVE)

    def _print(self, found: Explanation) -> None:
        key, zone = found.facts.key, found.zone
        self.stdout.write(f"{key.name} {key.type}: {found.verdict.sentence}")
        if zone is None:
            return
        backend = zone.backend
        self._line("zone", f"{zone.name} on {backend.name} ({backend.driver})")
        owners = [f"{each['owner']} ({each['why']})" for each in found.access["owners"]]
        self._line("may change it", ", ".join(owners) or "nobody with a token")
        self._line("wanted", _shown(found.facts.wanted))
        if (last := found.last_request) is not None:
            told = f"{last.pk} {last.action} by {last.requester}: {last.status}"
            self._line("last request", told)
        for request in found.pending:
            self._line("pending", f"{request.pk} {request.status}")
        for server in found.facts.servers:
            self._line(server.address, _answered(server))

    def _line(self, label: str, text: str) -> None:
        self.stdout.write(f"  {label}: {text}")


def _answered(server: Server) -> str:
    serial = "" if server.serial is None else f", serial {server.serial}"
    mark = "as wanted" if server.shows else "not as wanted"
    return f"{server.error or _shown(server.image)}{serial} ({mark})"


def _shown(image: Image | None) -> str:
    return f"{', '.join(image.records)} (TTL {image.ttl})" if image else "absent"
