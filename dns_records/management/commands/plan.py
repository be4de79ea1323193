"""``manage.py plan ZONE FILE``: what a change set would do; with ``--apply``, do it."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from dns_records.api.v2 import batch
from dns_records.management import planned, tracked
from dns_records.services import changes
from dns_records.services.changes import Asked
from dns_records.services.parts import whole
from dns_records.services.reconcile import DOORWAY
from dnsorch.api import strict_json
from dnsorch.exceptions import DnsorchError
from requests_tracker.api import tracking
from requests_tracker.models import Request
from requests_tracker.status import Status

ACTION = "changeset"


class Command(BaseCommand):
    """Show what a change set would do, like a diff; send it if that is approved."""

    help = (
        "Show what a change set (the body of POST /api/v2/changesets/) would do to a "
        "zone: records that come (+) and go (-), warnings, what makes the plan unsafe, "
        "and its digest. Nothing is stored or sent. Exit code 0: nothing would change; "
        "2: something would; 1: an error. With --apply and the digest of the plan that "
        "you approve it is sent as a tracked request and waited for; exit code 0: "
        "completed; 1: rejected, failed, or not final in time."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        """Declare the arguments."""
        parser.add_argument("zone", help="its name, such as example.test")
        parser.add_argument("file", help="a file with JSON; -: standard input")
        parser.add_argument("--json", action="store_true", help="print one JSON object")
        parser.add_argument(
            "--apply", action="store_true", help="send it; needs --digest"
        )
        parser.add_argument(
            "--digest", default="", help="of the plan that you approve, as printed here"
        )
        parser.add_argument(
            "--timeout",
            type=float,
            default=60.0,
            metavar="SECONDS",
            help="how long --apply waits for the end (default: %(default)s)",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        """Plan, or send and wait; say by the exit code what came of it."""
        if options["apply"] and not options["digest"]:
            raise CommandError("--apply needs --digest: that of the plan you approve")
        try:
            asked = _read(options["zone"], options["file"], options["digest"])
            if options["apply"]:
                self._apply(asked, options["timeout"], options["json"])
                return
            plan = changes.dry_run(
                lambda: asked, access=tracked.ACCESS, origin=planned.origin(ACTION)
            )
        except DnsorchError as error:
            raise CommandError("\n".join(planned.told(error.as_error()))) from error
        as_json = options["json"]
        self.stdout.write(
            json.dumps(plan) if as_json else "\n".join(planned.lines(plan))
        )
        if planned.would_change(plan):
            sys.exit(planned.WOULD_CHANGE)

    def _apply(self, asked: Asked, timeout: float, as_json: bool) -> None:
        answer = changes.submit(
            lambda: asked,
            access=tracked.ACCESS,
            origin=planned.origin(ACTION),
            operation=None,  # without a key it stands for nothing
            doorway=DOORWAY,
        )
        assert answer.request_id is not None  # accepted or rejected, it has a row
        if answer.status < 400:
            tracking.wait(answer.request_id, timeout)
        request = Request.objects.get(pk=answer.request_id)
        if as_json:
            self.stdout.write(json.dumps(planned.became(request)))
        else:
            self.stdout.write("\n".join(planned.became_lines(request)))
        if request.status != Status.COMPLETED:
            sys.exit(1)


def _read(zone: str, file: str, digest: str) -> Asked:
    """Return the change set of a file, for the zone that is named.

    Raises:
        Invalid: it is no JSON, or no change set.
        CommandError: it cannot be read, or is about another zone.
    """
    try:
        raw = sys.stdin.buffer.read() if file == "-" else Path(file).read_bytes()
    except OSError as error:
        raise CommandError(f"{file}: {error.strerror}") from error
    body = strict_json.loads(raw)
    if not isinstance(body, dict):
        raise CommandError(f"{file}: expected a JSON object with changes")
    given = body.get("zone", zone)
    if isinstance(given, str) and given.lower().rstrip(".") != zone.lower().rstrip("."):
        raise CommandError(f"{file} is about the zone {given}, not about {zone}")
    asked = {**body, "zone": zone}
    approved = {"digest": digest} if digest else {}
    return whole(batch.read_changeset(asked | approved))
