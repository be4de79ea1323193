"""``manage.py revert REQUEST_ID``: put back what an applied request found."""

from __future__ import annotations

import json
import sys
from typing import Any
from uuid import UUID

from django.core.management.base import BaseCommand, CommandError, CommandParser

from dns_records.management import planned, tracked
from dns_records.services import changes, revert
from dns_records.services.parts import whole
from dns_records.services.revert import Revert
from dnsorch.exceptions import DnsorchError
from requests_tracker.api import tracking
from requests_tracker.models import Request
from requests_tracker.services.acceptance import INSIDE
from requests_tracker.status import Status


class Command(BaseCommand):
    """Show what a revert does, like a diff, and ask for it."""

    help = (
        "Put back what a request that was applied found, as a new tracked request. "
        "Shown first is the plan, as manage.py plan does; what is sent is that plan or "
        "nothing. It is refused if somebody has changed one of its RRsets since. Exit "
        "code 0: accepted, or completed with --wait; 2: --dry-run, and something would "
        "change; 1: rejected, failed, not final in time, or no such request."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        """Declare the arguments."""
        parser.add_argument("request", metavar="REQUEST_ID", help="as the tracker has")
        parser.add_argument(
            "--dry-run", action="store_true", help="the plan only; nothing is sent"
        )
        parser.add_argument("--wait", action="store_true", help="until it is final")
        parser.add_argument(
            "--timeout",
            type=float,
            default=60.0,
            metavar="SECONDS",
            help="how long --wait waits for the end (default: %(default)s)",
        )
        parser.add_argument("--json", action="store_true", help="print one JSON object")

    def handle(self, *args: Any, **options: Any) -> None:
        """Plan, send that plan, and say by the exit code what came of it."""
        original = _id(options["request"])
        origin = planned.origin(revert.ACTION)
        asked = whole(Revert(original))
        try:
            plan = changes.dry_run(lambda: asked, access=tracked.ACCESS, origin=origin)
        except DnsorchError as error:
            raise CommandError("\n".join(planned.told(error.as_error()))) from error
        if options["dry_run"]:
            self._print({"plan": plan}, list(planned.lines(plan)), options["json"])
            sys.exit(planned.WOULD_CHANGE if planned.would_change(plan) else 0)
        approved = whole(Revert(original, plan["digest"]))
        answer = changes.submit(
            lambda: approved,
            access=tracked.ACCESS,
            origin=origin,
            operation=None,  # without a key it stands for nothing
            doorway=INSIDE,
        )
        assert answer.request_id is not None  # accepted or rejected, it has a row
        if options["wait"] and answer.status < 400:
            tracking.wait(answer.request_id, options["timeout"])
        request = Request.objects.get(pk=answer.request_id)
        found = {"plan": plan, "request": planned.became(request)}
        lines = [*planned.lines(plan), *planned.became_lines(request)]
        self._print(found, lines, options["json"])
        unfinished = options["wait"] and request.status != Status.COMPLETED
        if unfinished or answer.status >= 400:
            sys.exit(1)

    def _print(self, found: dict[str, Any], lines: list[str], as_json: bool) -> None:
        self.stdout.write(json.dumps(found) if as_json else "\n".join(lines))


def _id(text: str) -> UUID:
    """Return the id that ``text`` is.

    Raises:
        CommandError: it is none.
    """
    try:
        return UUID(text)
    except ValueError as error:
        raise CommandError(f"{text} is no id of a request") from error
