"""Read a secret by its reference, and remember it for a short while."""

from __future__ import annotations

from threading import Lock
from time import monotonic
from typing import Protocol

from django.conf import settings
from django.utils.module_loading import import_string

from dnsorch import redaction
from dnsorch.exceptions import SecretUnavailable

CACHE_SECONDS = 300.0

BUILT_IN = {
    "env": "dnsorch.secrets.env.read",
    "file": "dnsorch.secrets.file.read",
    "vault": "dnsorch.secrets.vault.read",
}


class Provider(Protocol):
    """Reads the secret that ``rest``, a reference without its scheme, points at.

    Must not return an empty text, keep anything, or put a value into an error.
    """

    def __call__(self, rest: str) -> str:
        """Return the secret.

        Raises:
            SecretUnavailable: it is not there, cannot be read, or is empty.
        """


_lock = Lock()
_cache: dict[str, tuple[str, float]] = {}


def get(reference: str, *, fresh: bool = False) -> str:
    """Return the secret that ``reference`` points at, at most five minutes old.

    ``fresh`` reads it anew: for the one more attempt after a peer refused the key,
    which may have been rotated.

    Raises:
        SecretUnavailable: the reference is malformed, or its secret cannot be read.
    """
    if not fresh:
        value, until = _cache.get(reference, ("", 0.0))
        if monotonic() < until:
            return value
    scheme, separator, rest = reference.partition(":")
    if not separator or not rest:
        # Not repeated: it may be the secret itself, put there by mistake.
        raise SecretUnavailable(
            "a secret reference is scheme:rest, as in env:NAME or file:PATH"
        )
    value = _provider(scheme)(rest)
    if not value:
        raise SecretUnavailable(f"{reference}: the secret is empty")
    _remember(reference, value)
    return value


def forget() -> None:
    """Drop what is cached, so that every reference is read anew."""
    with _lock:
        _cache.clear()


def _provider(scheme: str) -> Provider:
    path = {**BUILT_IN, **settings.DNSORCH_SECRET_PROVIDERS}.get(scheme)
    if path is None:
        raise SecretUnavailable(f"there is no secret provider {scheme!r}")
    try:
        provider: Provider = import_string(path)
    except ImportError as exc:
        raise SecretUnavailable(
            f"the secret provider {scheme!r} cannot be imported"
        ) from exc
    return provider


def _remember(reference: str, value: str) -> None:
    with _lock:
        _cache[reference] = (value, monotonic() + CACHE_SECONDS)
    redaction.remember(value)
