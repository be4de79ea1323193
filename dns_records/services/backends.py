"""Backends: the external DNS services that zones are on."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from dns_records.models import Backend
from dns_records.providers import registry


def save(
    *,
    name: str,
    driver: str,
    options: Mapping[str, Any],
    secret_reference: str = "",
) -> Backend:
    """Create the backend ``name``, or change it to this.

    Raises:
        Misconfigured: the driver is unknown, or an option is not one of its own.
    """
    registry.for_backend(driver, options, secret_reference)
    backend, _ = Backend.objects.update_or_create(
        name=name,
        defaults={
            "driver": driver,
            "options": dict(options),
            "secret_reference": secret_reference,
        },
    )
    return backend
