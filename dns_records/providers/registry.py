"""From a backend's driver name to the provider that speaks to it."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Any

from django.conf import settings
from django.utils.module_loading import import_string

from dns_records.providers.base import Provider, Secret
from dns_records.providers.errors import Misconfigured

#: Options that bound a wait for the service, in seconds.
TIME_LIMITS = frozenset({"timeout_s", "connect_timeout_s"})


def provider_class(driver: str) -> type[Provider]:
    """Return the class that the setting ``DNSORCH_PROVIDERS`` names for ``driver``.

    Raises:
        Misconfigured: there is no such driver, or its path leads to no provider.
    """
    try:
        path = settings.DNSORCH_PROVIDERS[driver]
    except KeyError:
        known = ", ".join(sorted(settings.DNSORCH_PROVIDERS))
        raise Misconfigured(f"unknown driver {driver!r}; there are: {known}") from None
    try:
        found = import_string(path)
    except ImportError as error:
        raise Misconfigured(f"driver {driver!r}: {error}") from error
    if not (isinstance(found, type) and issubclass(found, Provider)):
        raise Misconfigured(f"driver {driver!r}: {path} is no Provider")
    return found


def for_backend(
    driver: str, options: Mapping[str, Any], secret_reference: str
) -> Provider:
    """Return a provider for a backend; cheap, opens nothing, reads no secret yet.

    ``secret_reference`` is what ``dnsorch.secrets`` understands, ``""`` for none.

    Raises:
        Misconfigured: unknown driver, or a bad option, which is named.
    """
    secret = _secret(secret_reference) if secret_reference else None
    provider = provider_class(driver)(options, secret)
    _check_times(provider, options)
    return provider


def checks_names(driver: str, options: Mapping[str, Any]) -> bool:
    """Say whether a backend refuses A, AAAA and MX of what is no host name."""
    try:
        return provider_class(driver).checks_names(options)
    except Misconfigured:
        return False  # whoever delivers says so


def _check_times(provider: Provider, options: Mapping[str, Any]) -> None:
    """Refuse a time limit that a lease would not survive.

    Raises:
        Misconfigured: it is more than half of ``DNSORCH_LEASE_S``.
    """
    most = settings.DNSORCH_LEASE_S / 2
    for name in TIME_LIMITS & provider.options.keys():
        seconds = options.get(name, provider.options[name].default)
        if seconds > most:
            raise Misconfigured(
                f"option {name!r} is {seconds:g} seconds; at most {most:g}, half of "
                "DNSORCH_LEASE_S, leave a worker time for its answer"
            )


def _secret(reference: str) -> Secret:
    # Imported late: the secrets module reads settings when it is first used.
    from dnsorch import secrets

    return partial(secrets.get, reference)
