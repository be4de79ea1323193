"""Backends: the external DNS services that zones are on."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from dns_records.models import Backend
from dns_records.providers import registry
from dnsorch import secrets
from dnsorch.exceptions import SecretUnavailable


def save(
    *,
    name: str,
    driver: str,
    options: Mapping[str, Any],
    secret_reference: str = "",
) -> Backend:
    """Create the backend ``name``, or change it to this.

    A secret that this process cannot read is left to the worker, who may be the only
    one that it is given to; one that is there has to be of the driver's form.

    Raises:
        Misconfigured: the driver is unknown, an option is not one of its own, or the
            secret cannot be right.
    """
    provider = registry.for_backend(driver, options, secret_reference)
    if secret_reference and _is_readable(secret_reference):
        provider.check_secret()
    backend, _ = Backend.objects.update_or_create(
        name=name,
        defaults={
            "driver": driver,
            "options": dict(options),
            "secret_reference": secret_reference,
        },
    )
    return backend


def _is_readable(reference: str) -> bool:
    try:
        secrets.get(reference)
    except SecretUnavailable:
        return False
    return True
