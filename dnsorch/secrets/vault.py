"""``vault:MOUNT/PATH#KEY``: a secret in HashiCorp Vault or OpenBao, KV version 2.

``MOUNT`` is where the engine is mounted (a slash in it is written ``%2F``), ``PATH``
the secret's path below it, ``KEY`` one of its keys. The latest version is read.

How this process logs in is a matter of settings (``VAULT_*``): with a token, as an
AppRole, or as a Kubernetes service account. The credential is itself a reference
(``env:``, ``file:``) and is read anew for each login, since Kubernetes replaces the
service account's token about once an hour. What a login returns is kept for three
quarters of its lease, and given up early if Vault refuses it.

Vault's HTTP API: https://developer.hashicorp.com/vault/api-docs/secret/kv/kv-v2
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import closing
from dataclasses import dataclass
from threading import Lock
from time import monotonic
from typing import Any
from urllib.parse import unquote

import hvac
import requests
from django.conf import settings
from hvac.exceptions import (
    Forbidden,
    InvalidPath,
    InvalidRequest,
    RateLimitExceeded,
    Unauthorized,
    VaultDown,
    VaultError,
)

from dnsorch import redaction
from dnsorch.exceptions import SecretUnavailable
from dnsorch.secrets import store

LOGIN_KEPT = 0.75

# What Vault said, in words of our own: its errors may repeat what they were sent.
REASONS: Mapping[type[VaultError], str] = {
    InvalidRequest: "Vault does not understand the request, or refuses the login",
    Unauthorized: "Vault refuses the login",
    Forbidden: "Vault denies permission",
    InvalidPath: "there is no such secret, or its latest version is deleted",
    RateLimitExceeded: "Vault limits the rate of requests",
    VaultDown: "Vault is sealed or under maintenance",
}


@dataclass(frozen=True)
class Reference:
    """A ``vault:`` reference, taken apart."""

    text: str
    mount: str
    path: str
    key: str

    def unavailable(self, reason: str) -> SecretUnavailable:
        """Return the error that says why this secret cannot be had."""
        return SecretUnavailable(f"{self.text}: {reason}")


def parse(rest: str) -> Reference:
    """Take ``MOUNT/PATH#KEY`` apart.

    Raises:
        SecretUnavailable: it is not of that form.
    """
    location, _, key = rest.rpartition("#")
    mount, _, path = location.partition("/")
    parts = [*unquote(mount).split("/"), *path.split("/")]
    if not key or any(part in ("", ".", "..") for part in parts):
        # Not repeated: it may be the secret itself, put there by mistake.
        raise SecretUnavailable("a reference to Vault is vault:MOUNT/PATH#KEY")
    return Reference(f"vault:{rest}", unquote(mount), path, key)


def read(rest: str) -> str:
    """Return the text that ``rest``, ``MOUNT/PATH#KEY``, points at.

    Each wait for Vault ends after ``VAULT_TIMEOUT_S`` seconds.

    Raises:
        SecretUnavailable: Vault cannot be reached, refuses, or has no such text.
    """
    reference = parse(rest)
    if not settings.VAULT_ADDR:
        raise reference.unavailable("VAULT_ADDR is not set")
    try:
        with closing(_client()) as adapter:
            return _text(_read(adapter, reference), reference)
    except VaultError as exc:
        # Not chained: these errors carry the answer, and the URL.
        reason = REASONS.get(type(exc), "Vault answers with an error")
        raise reference.unavailable(reason) from None
    except requests.Timeout:
        raise reference.unavailable("Vault did not answer in time") from None
    except requests.exceptions.SSLError:
        raise reference.unavailable("Vault's certificate is not trusted") from None
    except OSError:
        # Also every other error of requests, and a VAULT_CACERT that is not there.
        raise reference.unavailable("Vault cannot be reached") from None


def forget_login() -> None:
    """Log in anew before the next secret."""
    _login.forget()


def _client() -> hvac.adapters.JSONAdapter:
    session = requests.Session()
    # Neither a .netrc nor a proxy of the environment has a say about secrets.
    session.trust_env = False
    session.verify = settings.VAULT_CACERT or True
    return hvac.adapters.JSONAdapter(
        base_uri=settings.VAULT_ADDR,
        namespace=settings.VAULT_NAMESPACE or None,
        timeout=settings.VAULT_TIMEOUT_S,
        session=session,
        # A redirect would take the token to another host.
        allow_redirects=False,
        strict_http=True,
        request_header=True,
    )


def _read(adapter: hvac.adapters.JSONAdapter, reference: Reference) -> Any:
    kv = hvac.api.secrets_engines.KvV2(adapter)
    method = _method()
    fresh = _login.authenticate(adapter, method)
    try:
        return kv.read_secret_version(
            reference.path,
            mount_point=reference.mount,
            raise_on_deleted_version=True,
        )
    except Forbidden:
        # A kept login may have been revoked; one made just now was not.
        if fresh:
            raise
    _login.forget()
    _login.authenticate(adapter, method)
    return kv.read_secret_version(
        reference.path, mount_point=reference.mount, raise_on_deleted_version=True
    )


def _text(answer: Any, reference: Reference) -> str:
    try:
        data = answer["data"]["data"]
        keys = set(data)
    except (KeyError, TypeError):
        raise reference.unavailable("not an answer of KV version 2") from None
    if reference.key not in keys:
        raise reference.unavailable("the secret has no such key")
    value = data[reference.key]
    if not isinstance(value, str):
        # Turned into text, 0123 would lose its zero.
        raise reference.unavailable("the value is not text")
    if not value:
        raise reference.unavailable("the value is empty")
    return value


# --- login --------------------------------------------------------------------------


def _with_token(adapter: hvac.adapters.JSONAdapter, credential: str) -> Any:
    return {"auth": {"client_token": credential, "lease_duration": 0}}


def _with_approle(adapter: hvac.adapters.JSONAdapter, credential: str) -> Any:
    return hvac.api.auth_methods.AppRole(adapter).login(
        settings.VAULT_ROLE,
        credential,
        use_token=False,
        mount_point=settings.VAULT_AUTH_MOUNT or "approle",
    )


def _with_kubernetes(adapter: hvac.adapters.JSONAdapter, credential: str) -> Any:
    return hvac.api.auth_methods.Kubernetes(adapter).login(
        settings.VAULT_ROLE,
        credential,
        use_token=False,
        mount_point=settings.VAULT_AUTH_MOUNT or "kubernetes",
    )


Method = Callable[[hvac.adapters.JSONAdapter, str], Any]
METHODS: Mapping[str, Method] = {
    "token": _with_token,
    "approle": _with_approle,
    "kubernetes": _with_kubernetes,
}


def _method() -> Method:
    method = METHODS.get(settings.VAULT_AUTH_METHOD)
    if method is None:
        raise SecretUnavailable(f"VAULT_AUTH_METHOD is one of {', '.join(METHODS)}")
    return method


def _credential() -> str:
    reference = settings.VAULT_CREDENTIAL_REFERENCE
    if reference.startswith("vault:"):
        raise SecretUnavailable("VAULT_CREDENTIAL_REFERENCE points into Vault itself")
    return store.get(reference, fresh=True)


class _Login:
    """The login that this process shares among its threads."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._token = ""
        self._until = 0.0

    def authenticate(self, adapter: hvac.adapters.JSONAdapter, method: Method) -> bool:
        """Give ``adapter`` a token; say whether that took a login."""
        with self._lock:
            if self._token and monotonic() < self._until:
                adapter.token = self._token
                return False
            answer = method(adapter, _credential())
            try:
                token = answer["auth"]["client_token"]
                lease_s = float(answer["auth"]["lease_duration"])
            except (KeyError, TypeError, ValueError):
                raise SecretUnavailable("Vault's login holds no token") from None
            redaction.remember(token)
            self._token, self._until = token, monotonic() + lease_s * LOGIN_KEPT
            adapter.token = token
            return True

    def forget(self) -> None:
        """Give up the token."""
        with self._lock:
            self._token, self._until = "", 0.0


_login = _Login()
