"""What the settings name has to be there: found out once, when Django is set up.

Only what is looked up quickly; nothing is connected to, no secret is read.
"""

from __future__ import annotations

from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from urllib.parse import urlsplit

from django.conf import settings
from django.core.exceptions import ImproperlyConfigured
from django.utils.module_loading import import_string
from kombu.transport import TRANSPORT_ALIASES
from kombu.utils.url import url_to_parts


def require() -> None:
    """Stop a start that could not end well.

    Raises:
        ImproperlyConfigured: the first thing that is wrong, in a sentence.
    """
    for fault in faults():
        raise ImproperlyConfigured(fault)


def faults() -> Iterator[str]:
    """Say what is wrong with what the settings name."""
    yield from _broker()
    yield from _drivers()
    yield from _secret_providers()
    yield from _vault()


def _broker() -> Iterator[str]:
    # Not repeated: a password may be in it.
    expected = "CELERY_BROKER_URL is no URL of a broker; expected redis://HOST:PORT/N"
    try:
        parts = url_to_parts(settings.CELERY_BROKER_URL)
    except ValueError:
        yield expected
        return
    if parts.scheme.partition("+")[0] not in TRANSPORT_ALIASES:
        yield expected


def _drivers() -> Iterator[str]:
    # Looked up, not imported: an SDK takes a second. A class that is not in its module
    # is said by the backend's form and lane.
    for driver, path in settings.DNSORCH_PROVIDERS.items():
        module = path.rpartition(".")[0]
        try:
            there = find_spec(module) is not None
        except (ImportError, ValueError):
            there = False
        if not there:
            yield f"DNSORCH_PROVIDERS: driver {driver!r}: there is no module {module!r}"


def _secret_providers() -> Iterator[str]:
    for scheme, path in settings.DNSORCH_SECRET_PROVIDERS.items():
        start = f"DNSORCH_SECRET_PROVIDERS: {scheme!r}: {path}"
        try:
            provider = import_string(path)
        except ImportError as error:
            yield f"{start} cannot be imported: {error}"
        else:
            if not callable(provider):
                yield f"{start} is no function"


def _vault() -> Iterator[str]:
    if not settings.VAULT_ADDR:
        return
    parts = urlsplit(settings.VAULT_ADDR)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        yield (
            f"VAULT_ADDR is {settings.VAULT_ADDR!r}; "
            "expected an origin such as https://vault.example.com:8200"
        )
    if settings.VAULT_AUTH_METHOD != "token" and not settings.VAULT_ROLE:
        yield f"VAULT_ROLE is not set; {settings.VAULT_AUTH_METHOD} logs in with one"
    if settings.VAULT_CREDENTIAL_REFERENCE.startswith("vault:"):
        yield "VAULT_CREDENTIAL_REFERENCE points into Vault itself"
    if settings.VAULT_CACERT and not Path(settings.VAULT_CACERT).exists():
        yield f"VAULT_CACERT: {settings.VAULT_CACERT}: No such file or directory"
