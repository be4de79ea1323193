"""``manage.py plan ZONE FILE``: what a change set would do; with ``--apply``, do it."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any
from uuid import UUID

from django.core.management.base import BaseCommand, CommandError, CommandParser

from dns_records.api.v2 import batch
from dns_records.services import changes
from dns_records.services.parts import Whole
from dnsorch.api import strict_json
from dnsorch.exceptions import DnsorchError
from dnsorch.tokens.access import Access
from requests_tracker.api import tracking
from requests_tracker.models import Request, Source
from requests_tracker.services.acceptance import INSIDE
from requests_tracker.services.lifecycle import Origin
from requests_tracker.status import Status

REQUESTER = "manage.py"
WOULD_CHANGE = 2


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
            submission = _read(options["zone"], options["file"], options["digest"])
            if options["apply"]:
                self._apply(submission, options["timeout"], options["json"])
                return
            planned = changes.dry_run(
                lambda: submission, access=_access(), origin=_by()
            )
        except DnsorchError as error:
            raise CommandError("\n".join(_told(error.as_error()))) from error
        would_change = any(each["before"] != each["after"] for each in _steps(planned))
        text = json.dumps(planned) if options["json"] else "\n".join(_lines(planned))
        self.stdout.write(text)
        if would_change:
            sys.exit(WOULD_CHANGE)

    def _apply(self, submission: Whole, timeout: float, as_json: bool) -> None:
        answer = changes.submit(
            lambda: submission,
            access=_access(),
            origin=_by(),
            operation=None,  # without a key it stands for nothing
            doorway=INSIDE,
        )
        assert answer.request_id is not None  # accepted or rejected, it has a row
        if answer.status < 400:
            tracking.wait(answer.request_id, timeout)
        request = Request.objects.get(pk=answer.request_id)
        if as_json:
            found = {"id": str(request.pk), "status": request.status}
            self.stdout.write(json.dumps({**found, "error": request.error}))
        else:
            self.stdout.write("\n".join(_ended(request.pk, request)))
        if request.status != Status.COMPLETED:
            sys.exit(1)


def _read(zone: str, file: str, digest: str) -> Whole:
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
    return Whole(batch.read_changeset(asked | approved))


def _access() -> Access:
    return Access(REQUESTER, Source.COMMAND.value)


def _by() -> Origin:
    # Its body is that of the API.
    return replace(Origin.inside(_access(), "changeset"), api_version="v2")


def _steps(planned: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return the changes of a plan, of all its zones, each RRset once."""
    plans = planned.get("plans", [planned])
    steps = [each for own in plans for each in own["changes"]]
    return list({(each["name"], each["type"]): each for each in steps}.values())


def _lines(planned: Mapping[str, Any]) -> Iterator[str]:
    """Yield a plan as people read it: records with a sign, as in a diff."""
    for each in _steps(planned):
        before, after = _records(each, "before"), _records(each, "after")
        for line in sorted(before | after, key=lambda line: (line not in before, line)):
            sign = " " if line in before & after else "-" if line in before else "+"
            yield f"{sign} {line}"
    for own in planned.get("plans", [planned]):
        yield from (f"warning: {each['detail']}" for each in own["warnings"])
        yield from (f"unsafe: {reason}" for reason in own["unsafe"])
    yield f"digest: {planned['digest']}"


def _records(step: Mapping[str, Any], which: str) -> set[str]:
    """Return an image as lines of a zone file (RFC 1035 section 5)."""
    image = step[which] or {"ttl": 0, "records": []}
    about = f"{step['name']} {image['ttl']} IN {step['type']}"
    return {f"{about} {record}" for record in image["records"]}


def _ended(request_id: UUID, request: Request) -> Iterator[str]:
    yield f"request {request_id}: {request.status}"
    if request.error:
        yield from _told(request.error)


def _told(error: Mapping[str, Any]) -> Iterator[str]:
    """Yield what is wrong, with every place in the file that it is about."""
    yield f"{error['detail']} ({error['code']})"
    for reason in error.get("errors", ()):
        if reason["pointer"]:
            yield f"  {reason['pointer']}: {reason['detail']}"
