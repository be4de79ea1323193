"""What the commands share that ask for tracked requests about a zone."""

from __future__ import annotations

from typing import Final

from django.core.management.base import CommandError

from dns_records import names
from dns_records.models import Zone
from dnsorch.exceptions import Invalid
from dnsorch.tokens.access import Access
from requests_tracker.models import Source
from requests_tracker.services.idempotency import Answer

REQUESTER: Final = "manage.py"
ACCESS: Final = Access(REQUESTER, Source.COMMAND.value)
DIFFERS: Final = 1
CANNOT_TELL: Final = 2


def zone(text: str) -> Zone:
    """Return the zone that somebody names.

    Raises:
        CommandError: there is none; its exit code is 2.
    """
    try:
        name = names.zone_name(text)
    except Invalid as error:
        raise CommandError(error.detail, returncode=CANNOT_TELL) from error
    found = Zone.objects.select_related("backend").filter(name=name).first()
    if found is None:
        raise CommandError(f"no zone {name} is registered", returncode=CANNOT_TELL)
    return found


def made(answer: Answer) -> dict[str, str]:
    """Return the request that an answer is about, and what became of it."""
    status = "queued" if answer.status < 400 else answer.body["detail"]
    return {"id": str(answer.request_id), "status": status}
