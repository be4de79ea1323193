"""``manage.py plan ZONE FILE``: what a change set would do; with ``--apply``, do it.

Or ``manage.py plan ZONE --zone-file FILE``: what would make the zone as the file is.
Or ``manage.py plan --changes FILE``: a change set that need not be of one zone.
"""

from __future__ import annotations

import io
import json
import sys
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from dns_records.api.v2 import batch_items
from dns_records.management import planned, tracked
from dns_records.management.zone_argument import zone_of
from dns_records.services import changes, file_plans
from dns_records.services.file_plans import FromZoneFile
from dns_records.services.parts import whole
from dns_records.services.submissions import Asked
from dnsorch.api import strict_json
from dnsorch.exceptions import ChangesetTooLarge, DnsorchError
from requests_tracker.api import tracking
from requests_tracker.models import Request
from requests_tracker.services.acceptance import INSIDE
from requests_tracker.status import Status

ACTION = "changeset"
_PLACES = ("zone", "file", "zone_file", "changes")
_WAYS = ({"zone", "file"}, {"zone", "zone_file"}, {"changes"})


class Command(BaseCommand):
    """Show what a change set would do, like a diff; send it if that is approved."""

    help = (
        "Show what a change set (the body of POST /api/v2/changesets/) would do to a "
        "zone: records that come (+) and go (-), warnings, what makes the plan unsafe, "
        "and its digest. Or show the same of a zone file, which says what is wanted of "
        "the RRsets in it. Nothing is stored or sent. Exit code 0: nothing would "
        "change; 2: something would; 1: an error. With --apply and the digest of the "
        "plan that you approve it is sent as a tracked request and waited for; exit "
        "code 0: completed; 1: rejected, failed, or not final in time."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        """Declare the arguments."""
        parser.add_argument("zone", nargs="?", help="its name, such as example.test")
        parser.add_argument(
            "file", nargs="?", help="a file with JSON; -: standard input"
        )
        parser.add_argument(
            "--zone-file", metavar="FILE", help="a zone file instead; -: standard input"
        )
        parser.add_argument(
            "--changes",
            metavar="FILE",
            help="a file with JSON that says itself which zone it is about, or has "
            "absolute names in several; -: standard input",
        )
        parser.add_argument(
            "--delete-others",
            action="store_true",
            help="RRsets that the zone file does not have go; SOA and NS of the apex, "
            "and what the server makes itself, stay",
        )
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
        given = {name for name in _PLACES if options[name] is not None}
        if given not in _WAYS:
            raise CommandError(
                "expected ZONE and a file with JSON, ZONE and --zone-file, or --changes"
            )
        if options["delete_others"] and options["zone_file"] is None:
            raise CommandError("--delete-others goes with --zone-file")
        try:
            if options["zone_file"] is None:
                self._of_json(options)
            else:
                self._of_zone_file(options)
        except DnsorchError as error:
            told = "\n".join(planned.told(error.as_error()))
            if options["zone_file"] and isinstance(error, ChangesetTooLarge):
                told += f"\n{_instead(options)}"
            raise CommandError(told) from error

    def _of_json(self, options: Mapping[str, Any]) -> None:
        asked = _read(options)
        if options["apply"]:
            self._apply(asked, options)
        else:
            self._show(_plan(asked), options)

    def _of_zone_file(self, options: Mapping[str, Any]) -> None:
        wanted = _zone_file(options)
        # It may be too much, or there already: that is no matter of approval.
        plan = _plan(whole(replace(wanted, digest=None)))
        if options["apply"] and planned.would_change(plan):
            self._apply(whole(wanted), options)
        else:
            self._show(plan, options)

    def _show(self, plan: Mapping[str, Any], options: Mapping[str, Any]) -> None:
        self.stdout.write(
            json.dumps(plan) if options["json"] else "\n".join(planned.lines(plan))
        )
        if planned.would_change(plan):
            sys.exit(planned.WOULD_CHANGE)

    def _apply(self, asked: Asked, options: Mapping[str, Any]) -> None:
        answer = changes.submit(
            lambda: asked,
            access=tracked.ACCESS,
            origin=planned.origin(ACTION),
            operation=None,  # without a key it stands for nothing
            doorway=INSIDE,
        )
        assert answer.request_id is not None  # accepted or rejected, it has a row
        if answer.status < 400:
            tracking.wait(answer.request_id, options["timeout"])
        request = Request.objects.get(pk=answer.request_id)
        if options["json"]:
            self.stdout.write(json.dumps(planned.became(request)))
        else:
            self.stdout.write("\n".join(planned.became_lines(request)))
        if request.status != Status.COMPLETED:
            sys.exit(1)


def _plan(asked: Asked) -> dict[str, Any]:
    """Return the plan, as JSON."""
    return changes.dry_run(
        lambda: asked, access=tracked.ACCESS, origin=planned.origin(ACTION)
    )


def _zone_file(options: Mapping[str, Any]) -> FromZoneFile:
    """Return what a zone file asks for."""
    zone = zone_of(options["zone"]).name
    file = io.TextIOWrapper(io.BytesIO(_octets(options["zone_file"])), encoding="utf-8")
    images = file_plans.read(file, zone)
    others, digest = options["delete_others"], options["digest"] or None
    return FromZoneFile(zone, images, others, digest)


def _instead(options: Mapping[str, Any]) -> str:
    """Return what to do with a zone file of which too much differs."""
    command = f"manage.py import_zone {options['zone']} --file {options['zone_file']}"
    kept = ", and deletes nothing" if options["delete_others"] else ""
    return f"{command} takes it over in parts{kept}; --dry-run counts what it would do"


def _octets(file: str) -> bytes:
    try:
        return sys.stdin.buffer.read() if file == "-" else Path(file).read_bytes()
    except OSError as error:
        raise CommandError(f"{file}: {error.strerror}") from error


def _read(options: Mapping[str, Any]) -> Asked:
    """Return the change set of a file, for the zone that is named if one is.

    Raises:
        Invalid: it is no JSON, or no change set.
        CommandError: it cannot be read, or is about another zone.
    """
    file, zone = options["changes"] or options["file"], options["zone"]
    body = strict_json.loads(_octets(file))
    if not isinstance(body, dict):
        raise CommandError(f"{file}: expected a JSON object with changes")
    if zone is not None:
        given = body.get("zone", zone)
        if isinstance(given, str) and _bare(given) != _bare(zone):
            raise CommandError(f"{file} is about the zone {given}, not about {zone}")
        body = {**body, "zone": zone}
    approved = {"digest": options["digest"]} if options["digest"] else {}
    return whole(batch_items.read_changeset(body | approved))


def _bare(zone: str) -> str:
    return zone.lower().rstrip(".")
