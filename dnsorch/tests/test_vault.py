"""Secrets in Vault: what is asked of it, what is kept, refused, and never said."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from threading import Event
from typing import Any

import pytest
from pytest_django.fixtures import Settings

from dnsorch import redaction, secrets
from dnsorch.exceptions import SecretUnavailable
from dnsorch.secrets import vault as provider
from dnsorch.tests import vault_server
from dnsorch.tests.vault_server import JWT, ROLE_ID, ROOT_TOKEN, SECRET_ID, Vault

VALUE = "c2VjcmV0LXRzaWcta2V5"
REFERENCE = "vault:kv/dns/tsig#key"
READ = "GET /v1/kv/data/dns/tsig"


@pytest.fixture
def vault(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> Iterator[Vault]:
    """A vault with one secret, and settings that log in with its root token."""
    with vault_server.serving() as server:
        server.secrets["kv/data/dns/tsig"] = {"key": VALUE, "n": 7, "none": ""}
        settings.VAULT_ADDR = server.address
        settings.VAULT_NAMESPACE = ""
        settings.VAULT_CACERT = ""
        settings.VAULT_AUTH_METHOD = "token"
        settings.VAULT_AUTH_MOUNT = ""
        settings.VAULT_CREDENTIAL_REFERENCE = "env:VAULT_CREDENTIAL"
        settings.VAULT_TIMEOUT_S = 5.0
        monkeypatch.setenv("VAULT_CREDENTIAL", ROOT_TOKEN)
        secrets.forget()
        provider.forget_login()
        yield server
        secrets.forget()
        provider.forget_login()


@pytest.fixture
def approle(vault: Vault, settings: Settings, monkeypatch: pytest.MonkeyPatch) -> Vault:
    """The same, logged in to as an AppRole."""
    settings.VAULT_AUTH_METHOD = "approle"
    settings.VAULT_ROLE = ROLE_ID
    monkeypatch.setenv("VAULT_CREDENTIAL", SECRET_ID)
    return vault


def refusal(reference: str) -> str:
    """Return why ``reference`` cannot be read, after a look at what it gives away."""
    with pytest.raises(SecretUnavailable) as caught:
        secrets.get(reference)
    exc = caught.value
    assert exc.__cause__ is None
    assert exc.__suppress_context__ or exc.__context__ is None
    for secret in (VALUE, ROOT_TOKEN, SECRET_ID, JWT):
        assert secret not in exc.detail
    return exc.detail


def test_a_token_reads_the_latest_version(vault: Vault) -> None:
    assert secrets.get(REFERENCE) == VALUE
    assert vault.asked == [READ]


def test_an_approle_logs_in_once(approle: Vault) -> None:
    assert secrets.get(REFERENCE) == VALUE
    assert secrets.get(REFERENCE, fresh=True) == VALUE
    assert approle.asked == ["POST /v1/auth/approle/login", READ, READ]


def test_a_service_account_logs_in_with_the_token_of_the_moment(
    vault: Vault, settings: Settings, tmp_path: Path
) -> None:
    token = tmp_path / "token"
    token.write_text("the token of an hour ago")
    settings.VAULT_AUTH_METHOD = "kubernetes"
    settings.VAULT_ROLE = "dnsorch"
    settings.VAULT_CREDENTIAL_REFERENCE = f"file:{token}"
    assert refusal(REFERENCE) == f"{REFERENCE}: Vault denies permission"
    token.write_text(JWT)
    assert secrets.get(REFERENCE) == VALUE
    assert vault.logins == ["/v1/auth/kubernetes/login"]


def test_a_method_mounted_elsewhere(approle: Vault, settings: Settings) -> None:
    settings.VAULT_AUTH_MOUNT = "team-a"
    assert secrets.get(REFERENCE) == VALUE
    assert approle.logins == ["/v1/auth/team-a/login"]


def test_an_engine_mounted_below_a_slash(vault: Vault) -> None:
    vault.secrets["team/kv/data/tsig"] = {"a#b": VALUE, "b": "other-value"}
    assert secrets.get("vault:team%2Fkv/tsig#b") == "other-value"
    assert vault.asked == ["GET /v1/team/kv/data/tsig"]


def test_the_namespace_is_sent(vault: Vault, settings: Settings) -> None:
    vault.namespace = settings.VAULT_NAMESPACE = "infra/dns"
    assert secrets.get(REFERENCE) == VALUE


def test_a_revoked_login_is_made_anew(approle: Vault) -> None:
    secrets.get(REFERENCE)
    approle.tokens.clear()
    approle.asked.clear()
    assert secrets.get(REFERENCE, fresh=True) == VALUE
    assert approle.asked == [READ, "POST /v1/auth/approle/login", READ]


def test_a_login_made_just_now_is_not_made_twice(approle: Vault) -> None:
    approle.namespace = None
    approle.secrets.clear()
    approle.tokens = NoTokens()
    assert refusal(REFERENCE) == f"{REFERENCE}: Vault denies permission"
    assert approle.asked == ["POST /v1/auth/approle/login", READ]


class NoTokens(set[str]):
    """Tokens none of which is good for anything."""

    def add(self, element: str) -> None:
        """Forget the token."""


def test_a_login_is_kept_for_three_quarters_of_its_lease(
    approle: Vault, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = 1000.0
    monkeypatch.setattr("dnsorch.secrets.vault.monotonic", lambda: now)
    secrets.get(REFERENCE)
    now += 899
    secrets.get(REFERENCE, fresh=True)
    assert len(approle.logins) == 1
    now += 1
    secrets.get(REFERENCE, fresh=True)
    assert len(approle.logins) == 2


def test_a_rotated_value_is_seen_without_a_restart(vault: Vault) -> None:
    assert secrets.get(REFERENCE) == VALUE
    vault.secrets["kv/data/dns/tsig"] = {"key": "rotated-value"}
    assert secrets.get(REFERENCE) == VALUE
    assert secrets.get(REFERENCE, fresh=True) == "rotated-value"
    assert secrets.get(REFERENCE) == "rotated-value"


def test_value_and_logins_are_known_to_the_redaction_of_logs(approle: Vault) -> None:
    secrets.get(REFERENCE)
    assert {VALUE, SECRET_ID, "hvs.login-1"} <= redaction.known_values()


@pytest.mark.parametrize(
    ("reference", "reason"),
    [
        ("vault:kv/dns/tsig#other", "the secret has no such key"),
        ("vault:kv/dns/tsig#n", "the value is not text"),
        ("vault:kv/dns/tsig#none", "the value is empty"),
        (
            "vault:kv/none#key",
            "there is no such secret, or its latest version is deleted",
        ),
    ],
)
def test_what_is_not_there(vault: Vault, reference: str, reason: str) -> None:
    assert refusal(reference) == f"{reference}: {reason}"


def test_a_deleted_version_is_not_read(vault: Vault) -> None:
    vault.deleted.add("kv/data/dns/tsig")
    assert refusal(REFERENCE).endswith("its latest version is deleted")


@pytest.mark.parametrize(
    "rest", ["kv", "kv/path", "kv#key", "kv/#key", "/p#key", "kv/p#", "kv/../sys#key"]
)
def test_a_malformed_reference_is_not_repeated(vault: Vault, rest: str) -> None:
    assert refusal(f"vault:{rest}") == "a reference to Vault is vault:MOUNT/PATH#KEY"
    assert vault.asked == []


@pytest.mark.parametrize(
    ("status", "body", "reason"),
    [
        (400, {"errors": [VALUE]}, "does not understand the request"),
        (403, {"errors": [VALUE]}, "Vault denies permission"),
        (429, {"errors": [VALUE]}, "Vault limits the rate of requests"),
        (500, {"errors": [VALUE]}, "Vault answers with an error"),
        (503, {"errors": ["Vault is sealed"]}, "Vault is sealed"),
        (307, {}, "not an answer of KV version 2"),
        (200, {"data": {"key": VALUE}}, "not an answer of KV version 2"),
        (200, [VALUE], "not an answer of KV version 2"),
    ],
)
def test_other_answers(vault: Vault, status: int, body: Any, reason: str) -> None:
    vault.always = (status, body)
    assert reason in refusal(REFERENCE)
    assert vault.asked == [READ]


@pytest.mark.parametrize("body", [{}, {"auth": None}, {"auth": {"client_token": ""}}])
def test_a_login_without_a_token(approle: Vault, body: Any) -> None:
    approle.always = (200, body)
    assert refusal(REFERENCE) == "Vault's login holds no token"


def test_a_vault_that_hangs(vault: Vault, settings: Settings) -> None:
    settings.VAULT_TIMEOUT_S = 0.05
    vault.hang = Event()
    assert refusal(REFERENCE) == f"{REFERENCE}: Vault did not answer in time"


@pytest.mark.parametrize(
    ("name", "value", "detail"),
    [
        ("VAULT_ADDR", "", f"{REFERENCE}: VAULT_ADDR is not set"),
        ("VAULT_ADDR", "http://127.0.0.1:1", f"{REFERENCE}: Vault cannot be reached"),
        ("VAULT_ADDR", "vault", f"{REFERENCE}: Vault cannot be reached"),
        (
            "VAULT_AUTH_METHOD",
            "ldap",
            "VAULT_AUTH_METHOD is one of token, approle, kubernetes",
        ),
        (
            "VAULT_CREDENTIAL_REFERENCE",
            REFERENCE,
            "VAULT_CREDENTIAL_REFERENCE points into Vault itself",
        ),
        (
            "VAULT_CREDENTIAL_REFERENCE",
            "env:NOT_SET_ANYWHERE",
            "env:NOT_SET_ANYWHERE: the variable is not set, or empty",
        ),
    ],
)
def test_wrong_settings_end_in_one_sentence(
    vault: Vault, settings: Settings, name: str, value: str, detail: str
) -> None:
    setattr(settings, name, value)
    assert refusal(REFERENCE) == detail
    assert vault.asked == []


def test_a_certificate_that_is_not_there(vault: Vault, settings: Settings) -> None:
    settings.VAULT_ADDR = vault.address.replace("http:", "https:")
    settings.VAULT_CACERT = "/nonexistent/ca.pem"
    assert refusal(REFERENCE) == f"{REFERENCE}: Vault cannot be reached"
