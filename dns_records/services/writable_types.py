"""Which record types a zone takes: those that its backend can write.

Asked at the door, so that nobody hears of it from the worker.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

from django.conf import settings

from dns_records import drafts, record_types
from dns_records.models import Zone
from dns_records.plan import Operation
from dns_records.providers import registry
from dns_records.providers.errors import Misconfigured
from dns_records.record_types import UnsupportedType
from dnsorch.exceptions import Invalid


class UnsupportedByBackend(Invalid):
    """The backend of the zone cannot write records of this type."""

    code = "unsupported_by_backend"


def check(zone: Zone, operations: Sequence[Operation]) -> None:
    """Refuse types that the zone's backend cannot write, or that are switched off.

    What is there may always be deleted.

    Raises:
        UnsupportedByBackend: the backend's driver does not write the type.
        UnsupportedType: it has no name, and ``DNSORCH_UNKNOWN_TYPES`` is off.
    """
    mistakes = drafts.Mistakes()
    for operation in operations:
        mistakes.at(f"{operation.pointer}/type", partial(_check, zone, operation))
    mistakes.raise_if_any()


def _check(zone: Zone, operation: Operation) -> None:
    rtype, driver = operation.key.type, zone.backend.driver
    gives = operation.action in drafts.TAKES_RECORDS - {"remove"}
    if record_types.lookup(rtype).generic and gives:
        if not settings.DNSORCH_UNKNOWN_TYPES:
            raise UnsupportedType(
                f"Records of type {rtype} are refused: types without a name are taken"
                " only where DNSORCH_UNKNOWN_TYPES is on."
            )
    try:
        provider = registry.provider_class(driver)
    except Misconfigured:
        return  # Whoever delivers says so.
    options = zone.backend.options
    if not provider.writes(rtype, options if gives else None):
        types = sorted(provider.supported_types)
        written = ", ".join(each for each in types if provider.writes(each, options))
        raise UnsupportedByBackend(
            f"The backend {zone.backend.name} ({driver}) cannot write records of type"
            f" {rtype}; it writes {written}."
        )
