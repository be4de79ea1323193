"""The zone that a command is given."""

from __future__ import annotations

from django.core.management.base import CommandError

from dns_records import names
from dns_records.models import Zone
from dnsorch.exceptions import Invalid


def zone_of(text: str, *, returncode: int = 1) -> Zone:
    """Return the registered zone that ``text`` names.

    Raises:
        CommandError: it is no name, or of no zone that is registered.
    """
    try:
        name = names.zone_name(text)
    except Invalid as error:
        raise CommandError(error.detail, returncode=returncode) from error
    zone = Zone.objects.select_related("backend").filter(name=name).first()
    if zone is None:
        raise CommandError(f"no zone {name} is registered", returncode=returncode)
    return zone
