"""``manage.py revoke_token``: revoke the API token that begins with a prefix."""

from __future__ import annotations

from typing import Any

from django.core.management.base import CommandError, CommandParser

from dnsorch.management.base import DatabaseCommand
from dnsorch.tokens import selectors, services, text


class Command(DatabaseCommand):
    """Revoke an API token."""

    help = "Revoke the API token that begins with PREFIX, as shown in the admin."

    def add_arguments(self, parser: CommandParser) -> None:
        """Declare the arguments."""
        parser.add_argument("prefix", metavar="PREFIX", help="such as dno_3fK2xQ9a")

    def handle(self, *args: Any, **options: Any) -> None:
        """Revoke the one token meant."""
        prefix: str = options["prefix"]
        # Less of it could mean any token; a slip must not revoke the wrong one.
        if len(prefix) <= len(text.PREFIX):
            raise CommandError(f"{prefix!r} is too short to tell a token by")
        found = selectors.live_by_prefix(prefix)
        if len(found) != 1:
            which = "no" if not found else f"{len(found)}"
            raise CommandError(f"{which} live tokens begin with {prefix[:text.SHOWN]}")
        services.revoke(token=found[0])
        self.stdout.write(f"revoked {found[0]}")
