"""``manage.py export_zone ZONE``: a zone as a zone file."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from django.core.management.base import CommandError, CommandParser

from dns_records.management.zone_argument import zone_of
from dns_records.services import exports
from dnsorch.management.base import DatabaseCommand


class Command(DatabaseCommand):
    """Write what is wanted of a zone as a zone file."""

    help = (
        "Write a zone as a zone file (RFC 1035) that named-checkzone loads: what is "
        "wanted, with SOA and NS as the first name server that answers has them. "
        "Where none answers they are made up, and a comment says so."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        """Declare the options."""
        parser.add_argument("zone", help="its name, such as example.test")
        parser.add_argument(
            "--output", type=Path, help="the file to write (default: standard output)"
        )

    def handle(self, *args: Any, **options: Any) -> None:
        """Write it piece by piece."""
        zone = zone_of(options["zone"])
        if options["output"] is None:
            for piece in exports.chunks(zone):
                self.stdout.write(piece, ending="")
            return
        try:
            with options["output"].open("w", encoding="utf-8") as file:
                file.writelines(exports.chunks(zone))
        except OSError as error:
            text = f"{options['output']}: {error.strerror}"
            raise CommandError(text) from None
