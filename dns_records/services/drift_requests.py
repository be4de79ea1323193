"""Audits and resolutions that people ask for beside the API: commands, the admin."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from dns_records.images import Key
from dns_records.models import Zone
from dns_records.services import audits
from dnsorch.tokens.access import Access
from requests_tracker.models import Request
from requests_tracker.services import acceptance
from requests_tracker.services.idempotency import Answer
from requests_tracker.services.lifecycle import Origin

Perform = Callable[[Origin, Request], None]


def audit(zone: Zone, access: Access) -> Answer:
    """Ask for an audit of a zone."""

    def perform(origin: Origin, request: Request) -> None:
        audits.ask(access, origin, request, zone)

    return _accept(audits.AUDIT, access, perform)


def resolve(
    zone: Zone, access: Access, *, by: str, keys: Sequence[Key] | None = None
) -> Answer:
    """Ask for open drift to be resolved, as :func:`audits.resolve` does it."""

    def perform(origin: Origin, request: Request) -> None:
        audits.resolve(access, origin, request, zone, by=by, keys=keys)

    return _accept(audits.RESOLVE, access, perform)


def _accept(action: str, access: Access, perform: Perform) -> Answer:
    origin = Origin.inside(access, action)
    return acceptance.run(
        origin,
        operation={"action": action},
        perform=lambda request: perform(origin, request),
        doorway=acceptance.INSIDE,
    )
