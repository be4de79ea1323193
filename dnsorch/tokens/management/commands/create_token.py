"""``manage.py create_token``: make an API token and print it, once."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Any

from django.core.management.base import CommandError, CommandParser

from dnsorch import clock
from dnsorch.exceptions import Invalid
from dnsorch.management.base import DatabaseCommand
from dnsorch.tokens import services
from dnsorch.tokens.models import Source


class Command(DatabaseCommand):
    """Make an API token and print its text."""

    help = (
        "Make an API token. Its text goes to standard output, once: "
        "only a digest of it is kept."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        """Declare the options."""
        parser.add_argument("--owner", required=True, help="in whose name it acts")
        parser.add_argument("--label", default="", help="what it is for")
        parser.add_argument(
            "--source",
            default=Source.REST.value,
            choices=Source.values,
            help="the door its requests come through (default: rest)",
        )
        parser.add_argument(
            "--zone",
            action="append",
            default=[],
            dest="zones",
            metavar="NAME",
            help="a zone it may see and change; repeat for more (default: all)",
        )
        parser.add_argument("--read-only", action="store_true", help="no changes")
        parser.add_argument(
            "--expires-in-days", type=int, metavar="N", help="(default: never)"
        )
        parser.add_argument("--json", action="store_true", help="print one JSON object")

    def handle(self, *args: Any, **options: Any) -> None:
        """Issue the token and print it."""
        days: int | None = options["expires_in_days"]
        if days is not None and not 0 < days <= 36_500:
            raise CommandError("--expires-in-days: 1 to 36500")
        expires_at = None if days is None else clock.now() + timedelta(days=days)
        try:
            issued = services.issue(
                owner=options["owner"],
                label=options["label"],
                source=options["source"],
                zones=options["zones"],
                read_only=options["read_only"],
                expires_at=expires_at,
            )
        except Invalid as exc:
            raise CommandError(
                "; ".join(f"{r.pointer[1:]}: {r.detail}" for r in exc.reasons)
            ) from exc
        self.stdout.write(_as_json(issued) if options["json"] else issued.text)


def _as_json(issued: services.Issued) -> str:
    token = issued.token
    expires_at = token.expires_at and token.expires_at.isoformat()
    return json.dumps(
        {
            "token": issued.text,
            "owner": token.owner,
            "label": token.label,
            "prefix": token.prefix,
            "source": token.source,
            "zones": token.zones,
            "read_only": token.read_only,
            "expires_at": expires_at,
        }
    )
