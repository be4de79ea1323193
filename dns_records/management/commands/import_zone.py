"""``manage.py import_zone ZONE``: take over what a server holds, or a zone file."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from hashlib import file_digest
from io import BufferedReader
from pathlib import Path
from typing import Any

from django.core.management.base import CommandError, CommandParser

from dns_records import selectors
from dns_records.management.zone_argument import zone_of
from dns_records.models import Zone
from dns_records.services import import_preview, import_run, imports
from dns_records.services.imports import Order
from dnsorch.exceptions import DnsorchError
from dnsorch.management.base import DatabaseCommand
from dnsorch.tokens.access import Access
from requests_tracker.models import Request, Source
from requests_tracker.services.acceptance import INSIDE
from requests_tracker.services.lifecycle import Origin
from requests_tracker.status import Status

REQUESTER = "manage.py"
PAUSE_S = 0.5
WIDTH = 30


class Command(DatabaseCommand):
    """Import a zone as a tracked request."""

    help = (
        "Import a zone: what its update server holds becomes what is wanted (read by "
        "AXFR or by the API of its backend), and nothing is sent. Or import a zone "
        "file (RFC 1035; $INCLUDE and $GENERATE are refused): what the server holds "
        "the same is taken over, the rest is sent through the zone's lane, and what "
        "the file does not name is left alone. It is one tracked request, done by the "
        "workers; --wait shows its progress, and does what no worker has begun. Exit "
        "code 0: accepted, or completed with --wait; 1: rejected, failed or cancelled."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        """Declare the options."""
        parser.add_argument("zone", help="its name, such as example.test")
        source = parser.add_mutually_exclusive_group()
        source.add_argument("--file", type=Path, help="a zone file in UTF-8")
        source.add_argument(
            "--from",
            dest="source",
            choices=("transfer", "api"),
            default="",
            help="how the server is read (default: the way of the zone's backend)",
        )
        parser.add_argument(
            "--dry-run", action="store_true", help="print what would be done as JSON"
        )
        parser.add_argument(
            "--wait", action="store_true", help="show the progress until it is done"
        )

    def handle(self, *args: Any, **options: Any) -> None:
        """Ask for it, and wait if asked to."""
        zone = zone_of(options["zone"])
        access = Access(REQUESTER, Source.COMMAND.value)
        with _opened(options["file"]) as file:
            digest = file_digest(file, "sha256").hexdigest() if file else ""
            order = Order(zone.name, options["source"], file, digest)
            if options["dry_run"]:
                self._preview(order, access)
                return
            answer = imports.submit(
                order,
                access=access,
                origin=Origin.inside(access, imports.ACTION),
                doorway=INSIDE,
            )
        if answer.status >= 400:
            said = [answer.body["detail"]]
            said += [f"  {each['detail']}" for each in answer.body.get("errors", [])]
            raise CommandError("\n".join(said))
        self.stdout.write(f"request {answer.request_id}: queued")
        if options["wait"]:
            assert answer.request_id is not None
            self._wait(zone, Request.objects.get(pk=answer.request_id))

    def _preview(self, order: Order, access: Access) -> None:
        try:
            found = import_preview.preview(order, access=access, within_s=None)
        except DnsorchError as error:
            said = [error.detail, *(f"  {each.detail}" for each in error.reasons)]
            raise CommandError("\n".join(said)) from error
        self.stdout.write(json.dumps(found, indent=2))

    def _wait(self, zone: Zone, request: Request) -> None:
        shown = Bar(self.stderr)
        while True:
            # Its lease keeps it from what a worker does already.
            import_run.run(zone.pk)
            request.refresh_from_db()
            found = selectors.imports.of_requests([request.pk])[request.pk]
            shown.show(found)
            if request.is_final:
                break
            time.sleep(PAUSE_S)
        counts = found["counts"].items()
        told = ", ".join(f"{count} {name}" for name, count in counts if count)
        self.stdout.write(f"request {request.pk}: {request.status}; RRsets: {told}")
        for each in found["left_out"]:
            text = f"left out: {each['name']} {each['type']}: {each['detail']}"
            self.stdout.write(text)
        if request.status != Status.COMPLETED:
            error = request.error or {}
            raise CommandError(error.get("detail", f"it is {request.status}"))


class Bar:
    """A progress bar: a line that is written over, or a line for each tenth."""

    def __init__(self, stream: Any) -> None:
        """Show it on ``stream``."""
        self._stream = stream
        self._tells = -1

    def show(self, progress: dict[str, Any]) -> None:
        """Show how far an import is, as a request shows it."""
        percent = progress["percent"]
        if self._stream.isatty():
            done = progress["phase"] == "done"
            line = f"\r\x1b[K{_line(progress)}"
            self._stream.write(line, ending="\n" if done else "")
            self._stream.flush()
        elif percent is not None and percent // 10 > self._tells:
            self._tells = percent // 10
            self._stream.write(_line(progress))


def _line(progress: dict[str, Any]) -> str:
    percent, records = progress["percent"], progress["records"]
    if percent is None:
        return f"{progress['phase']}: {records} records"
    bar = ("#" * (WIDTH * percent // 100)).ljust(WIDTH, ".")
    left = progress["eta_s"]
    about = f", about {left} s left" if left else ""
    return f"[{bar}] {percent:3} %  {records} of {progress['total']} records{about}"


@contextmanager
def _opened(path: Path | None) -> Iterator[BufferedReader | None]:
    if path is None:
        yield None
        return
    try:
        file = path.open("rb")
    except OSError as error:
        raise CommandError(f"{path}: {error.strerror}") from None
    with file:
        yield file
