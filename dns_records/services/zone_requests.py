"""Zones registered, changed and forgotten as tracked requests.

They are done by being accepted: nothing is provisioned.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Any

from dns_records import drafts, names
from dns_records.models import Backend, Zone
from dns_records.services import outcomes, zones
from dnsorch.exceptions import Forbidden, Invalid, Reason
from dnsorch.tokens.access import Access
from requests_tracker.models import Request, Step
from requests_tracker.services import lifecycle
from requests_tracker.services.lifecycle import Origin
from requests_tracker.services.timeline import Entry

# Fields that a body and the model name alike.
PLAIN = (
    "nameservers",
    "fencing",
    "mode",
    "ptr_policy",
    "default_ttl",
    "min_ttl",
    "max_ttl",
    "audit_interval_s",
)


class BackendNotFound(Invalid):
    """No backend of that name is set up."""

    code = "backend_not_found"


def register(
    access: Access, origin: Origin, request: Request, fields: Mapping[str, Any]
) -> None:
    """Register a zone as its client describes it.

    Raises:
        Forbidden: the token is limited to zones.
        ZoneExists: it is registered already.
        Invalid: the name is none, the backend unknown, the policy impossible.
    """
    _check_unlimited(access)
    name = drafts.placed("/name", lambda: names.zone_name(fields["name"]))
    request.zone = name
    zone = zones.register(name=name, **_model_fields(fields))
    _done(origin, request, zone, f"{name} registered")


def change(
    access: Access,
    origin: Origin,
    request: Request,
    zone: Zone,
    fields: Mapping[str, Any],
) -> None:
    """Change how a zone is provisioned and verified.

    Raises:
        Forbidden: the token is limited to zones.
        LaneNotEmpty: another backend, while changes are on their way.
        Invalid: the backend is unknown or the policy impossible.
    """
    request.zone = zone.name
    _check_unlimited(access)
    given = _model_fields(fields)
    if given:
        zones.change(zone, given)
    _done(origin, request, zone, f"changed: {', '.join(sorted(given)) or 'nothing'}")


def forget(
    access: Access, origin: Origin, request: Request, zone: Zone, *, force: bool
) -> None:
    """Forget a zone.

    Raises:
        Forbidden: the token is limited to zones.
        LaneNotEmpty, ZoneNotEmpty: there is something left.
    """
    request.zone = zone.name
    _check_unlimited(access)
    last = outcomes.take_sequence(zone.pk, 1)
    zones.forget(zone, force=force)
    entries = [origin.received(), Entry(Step.STORED, f"{zone.name} forgotten")]
    lifecycle.open_completed(request, entries, lambda count: last)


def _done(origin: Origin, request: Request, zone: Zone, what: str) -> None:
    request.zone = zone.name
    lifecycle.open_completed(
        request,
        [origin.received(), Entry(Step.STORED, what)],
        partial(outcomes.take_sequence, zone.pk),
    )


def _check_unlimited(access: Access) -> None:
    if access.zones is not None or access.read_only:
        raise Forbidden("only a token for all zones may register and change zones")


def _model_fields(fields: Mapping[str, Any]) -> dict[str, Any]:
    """Return the model's fields for what a body says."""
    found = {name: fields[name] for name in PLAIN if name in fields}
    verify = fields.get("verify", {})
    found |= {f"verify_{name}": value for name, value in verify.items()}
    if "backend" in fields:
        found["backend"] = _backend(fields["backend"])
    return found


def _backend(name: str) -> Backend:
    backend = Backend.objects.filter(name=name).first()
    if backend is None:
        detail = f"there is no backend {name!r}; people set them up in the admin"
        reason = Reason("/backend", BackendNotFound.code, detail)
        raise BackendNotFound(detail, reasons=(reason,))
    return backend
