"""Secrets in a real OpenBao: logins, versions, and a seal; then a worker with them."""

from __future__ import annotations

import base64
import os
import subprocess
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest
from pytest_django.fixtures import Settings

from deploy.services import tsig
from deploy.services.bind import Primary
from deploy.services.openbao import ROLE
from deploy.services.ports import Ports
from dnsorch import secrets
from dnsorch.exceptions import SecretUnavailable
from dnsorch.secrets import vault as provider
from dnsorch.tests.e2e.harness import FINAL, until
from dnsorch.tests.services.harness import ZONE, RealStack, change, unique
from dnsorch.tests.services.openbao import (
    JWT,
    NAMESPACE,
    Administrator,
    certificate,
    kubernetes,
)

PATH = "dns/tsig"
REFERENCE = f"vault:kv/{PATH}#key"
SEALED = "Vault is sealed or under maintenance"


@pytest.fixture
def bao() -> Iterator[Administrator]:
    """Give the administrator; whatever happens, it is unsealed at the end."""
    administrator = Administrator()
    yield administrator
    if administrator.call("GET", "sys/seal-status")["sealed"]:
        administrator.unseal()
    administrator.close()


@pytest.fixture
def approle(
    bao: Administrator, settings: Settings, tmp_path: Path
) -> Iterator[Administrator]:
    """Let this process log in as the AppRole; a secret is there to be read."""
    role, secret = bao.approle()
    credential = tmp_path / "credential"
    credential.write_text(secret)
    settings.VAULT_ADDR = bao.address
    settings.VAULT_NAMESPACE = settings.VAULT_CACERT = settings.VAULT_AUTH_MOUNT = ""
    settings.VAULT_AUTH_METHOD, settings.VAULT_ROLE = "approle", role
    settings.VAULT_CREDENTIAL_REFERENCE = f"file:{credential}"
    bao.put(PATH, key="the first value", number=7)
    secrets.forget()
    provider.forget_login()
    yield bao
    secrets.forget()
    provider.forget_login()


def refusal(reference: str) -> str:
    """Return why a reference cannot be read."""
    with pytest.raises(SecretUnavailable) as caught:
        secrets.get(reference, fresh=True)
    return caught.value.detail.removeprefix(f"{reference}: ")


def test_a_new_version_is_read_when_asked_for(approle: Administrator) -> None:
    assert secrets.get(REFERENCE) == "the first value"
    approle.put(PATH, key="the second value")
    assert secrets.get(REFERENCE) == "the first value"
    assert secrets.get(REFERENCE, fresh=True) == "the second value"
    assert secrets.get(REFERENCE) == "the second value"


def test_a_token_reads_it_too(approle: Administrator, settings: Settings) -> None:
    made = approle.call("POST", "auth/token/create", {"policies": [ROLE]})
    path = Path(settings.VAULT_CREDENTIAL_REFERENCE.removeprefix("file:"))
    path.write_text(made["auth"]["client_token"])
    settings.VAULT_AUTH_METHOD = "token"
    assert secrets.get(REFERENCE) == "the first value"


def test_what_is_refused(
    approle: Administrator, settings: Settings, tmp_path: Path
) -> None:
    assert refusal("vault:kv/other/x#key") == "Vault denies permission"
    assert refusal(f"vault:kv/{PATH}#other") == "the secret has no such key"
    assert refusal(f"vault:kv/{PATH}#number") == "the value is not text"
    gone = "there is no such secret, or its latest version is deleted"
    assert refusal("vault:kv/dns/none#key") == gone
    approle.call("DELETE", f"kv/data/{PATH}")
    assert refusal(REFERENCE) == gone
    wrong = tmp_path / "wrong"
    wrong.write_text("not-a-secret-id")
    settings.VAULT_CREDENTIAL_REFERENCE = f"file:{wrong}"
    provider.forget_login()
    login = "Vault does not understand the request, or refuses the login"
    assert refusal(REFERENCE) == login


def test_a_login_that_ends_is_made_anew(approle: Administrator) -> None:
    secrets.get(REFERENCE)
    first = provider._login._token
    approle.call("POST", "auth/token/revoke", {"token": first})
    assert secrets.get(REFERENCE, fresh=True) == "the first value"
    assert provider._login._token != first


def test_a_login_is_given_up_before_its_lease_ends(approle: Administrator) -> None:
    role = f"auth/approle/role/{ROLE}"
    approle.call("POST", role, {"token_policies": [ROLE], "token_ttl": "1s"})
    try:
        secrets.get(REFERENCE)
        first = provider._login._token

        def logged_in_again() -> bool | None:
            assert secrets.get(REFERENCE, fresh=True) == "the first value"
            return provider._login._token != first or None

        until(logged_in_again, "another login", 10)
    finally:
        approle.call("POST", role, {"token_policies": [ROLE], "token_ttl": "20m"})


def test_a_service_account_logs_in_if_kubernetes_knows_it(
    approle: Administrator, settings: Settings
) -> None:
    path = Path(settings.VAULT_CREDENTIAL_REFERENCE.removeprefix("file:"))
    path.write_text(JWT)
    settings.VAULT_AUTH_METHOD, settings.VAULT_ROLE = "kubernetes", ROLE
    with kubernetes() as reviewer:
        approle.call(
            "POST",
            "auth/kubernetes/config",
            {
                "kubernetes_host": reviewer.address,
                "token_reviewer_jwt": JWT,
                "kubernetes_ca_cert": certificate(),
                "disable_local_ca_jwt": True,
            },
        )
        approle.call(
            "POST",
            f"auth/kubernetes/role/{ROLE}",
            {
                "bound_service_account_names": ["dnsorch"],
                "bound_service_account_namespaces": [NAMESPACE],
                "token_policies": [ROLE],
            },
        )
        assert refusal(REFERENCE) == "Vault denies permission"
        reviewer.accounts[JWT] = "somebody-else"
        assert refusal(REFERENCE) == "Vault denies permission"
        reviewer.accounts[JWT] = "dnsorch"
        assert secrets.get(REFERENCE) == "the first value"
        assert [each["spec"]["token"] for each in reviewer.asked] == [JWT] * 3


def test_sealed_it_leaves_what_was_read_and_gives_nothing_new(
    approle: Administrator,
) -> None:
    assert secrets.get(REFERENCE) == "the first value"
    approle.seal()
    assert secrets.get(REFERENCE) == "the first value"
    secrets.forget()
    assert refusal(REFERENCE) == SEALED
    approle.unseal()
    assert secrets.get(REFERENCE) == "the first value"


# --- a running worker ---------------------------------------------------------------


@pytest.fixture
def vaulted(
    stack: RealStack, bao: Administrator, tmp_path: Path
) -> Iterator[RealStack]:
    """Have the worker read the key of the backend from OpenBao."""
    role, secret = bao.approle()
    (tmp_path / "secret-id").write_text(secret)
    before = stack.env
    stack.env = {
        **before,
        "VAULT_ADDR": bao.address,
        "VAULT_AUTH_METHOD": "approle",
        "VAULT_ROLE": role,
        "VAULT_CREDENTIAL_REFERENCE": f"file:{tmp_path / 'secret-id'}",
    }
    path = f"dns/{uuid.uuid4().hex[:8]}"
    bao.put(path, key=tsig.secret(stack.services, tsig.OURS))
    restart(stack, "worker", "sweep")
    refer(stack, f"vault:kv/{path}#key")
    yield stack
    refer(stack, f"file:{stack.directory / 'tsig.secret'}")
    stack.env = before
    restart(stack, "worker", "sweep")


def restart(stack: RealStack, *names: str) -> None:
    """Start processes again: what they had read is gone."""
    for name in names:
        stack.kill(name)
        stack.start(name)


def refer(stack: RealStack, reference: str) -> None:
    """Name the secret of the backend, as an operator would."""
    stack.shell(f"""
from dns_records.models import Backend
from dns_records.services import backends
backend = Backend.objects.get(name="embedded")
backends.save(
    name=backend.name, driver=backend.driver, options=backend.options,
    secret_reference={reference!r},
)
print(json.dumps(backend.name))
""")


def secret_path(stack: RealStack) -> str:
    """Return the path of the secret that the backend refers to."""
    code = """
from dns_records.models import Backend
print(json.dumps(Backend.objects.get(name="embedded").secret_reference))
"""
    reference: str = stack.shell(code)
    return reference.removeprefix("vault:kv/").removesuffix("#key")


@pytest.fixture
def renewed_key(stack: RealStack) -> Iterator[str]:
    """Give a secret that :func:`turn_key` may put into BIND; the old one comes back."""
    yield base64.b64encode(os.urandom(tsig.OCTETS)).decode()
    turn_key(stack, tsig.secret(stack.services, tsig.OURS))


def turn_key(stack: RealStack, secret: str) -> None:
    """Give BIND another secret for our key, while it runs."""
    primary = Primary(stack.services, Ports(stack.services / "ports.json"))
    text = primary.configuration()["named.conf"]
    ours = tsig.secret(stack.services, tsig.OURS)
    assert text.count(ours) == 1
    (primary.directory / "named.conf").write_text(text.replace(ours, secret))
    primary.rndc("reconfig")


def test_a_rotated_key_is_taken_up_by_a_running_worker(
    vaulted: RealStack, bao: Administrator, renewed_key: str
) -> None:
    pid = vaulted.running["worker"].pid
    names = [unique("rotate") for _ in range(2)]
    first = vaulted.ask([change("create", names[0], "A", "192.0.2.1")])
    assert vaulted.final(first)["status"] == "completed"
    # Its five minutes are not over: only the refused signature tells the worker.
    bao.put(secret_path(vaulted), key=renewed_key)
    turn_key(vaulted, renewed_key)
    second = vaulted.final(vaulted.ask([change("create", names[1], "A", "192.0.2.1")]))
    assert second["status"] == "completed"
    assert [vaulted.added(name) for name in names] == [["192.0.2.1"]] * 2
    assert (vaulted.running["worker"].pid, vaulted.running["worker"].poll()) == (
        pid,
        None,
    )
    lane = vaulted.get(f"/api/v2/zones/{ZONE}/")["lane"]
    assert lane["state"] == "ok"


def test_while_it_is_sealed_requests_go_on_and_then_wait(
    vaulted: RealStack, bao: Administrator
) -> None:
    names = [unique("sealed") for _ in range(3)]
    asked = [vaulted.ask([change("create", names[0], "A", "192.0.2.1")])]
    assert vaulted.final(asked[0])["status"] == "completed"
    bao.seal()
    asked.append(vaulted.ask([change("create", names[1], "A", "192.0.2.1")]))
    assert vaulted.final(asked[1])["status"] == "completed"
    restart(vaulted, "worker", "sweep")
    asked.append(vaulted.ask([change("create", names[2], "A", "192.0.2.1")]))

    def waits() -> bool | None:
        return SEALED in last_error(vaulted) or None

    until(waits, "the lane says why")
    assert last_error(vaulted).startswith("secret_unavailable: vault:kv/")
    assert vaulted.get(f"/api/v2/requests/{asked[2]}/")["status"] not in FINAL
    assert vaulted.resolve(names[2]) == set()
    bao.unseal()
    with vaulted.client() as client:
        answer = client.post(f"/api/v2/requests/{asked[2]}/retry/")
    # The sweep may have been quicker; then there is nothing to retry.
    assert answer.status_code in (200, 202, 409)
    assert vaulted.final(asked[2])["status"] == "completed"
    assert vaulted.added(names[2]) == ["192.0.2.1"]


def last_error(stack: RealStack) -> str:
    """Return what the lane of the zone says about its last attempt."""
    code = """
from dns_records.models import Lane
print(json.dumps(Lane.objects.get(zone__name="example.test.").last_error))
"""
    found: str = stack.shell(code)
    return found


def test_no_process_has_logged_a_secret(vaulted: RealStack, bao: Administrator) -> None:
    name = unique("quiet")
    request = vaulted.ask([change("create", name, "A", "192.0.2.1")])
    assert vaulted.final(request)["status"] == "completed"
    secret_id = Path(
        vaulted.env["VAULT_CREDENTIAL_REFERENCE"].removeprefix("file:")
    ).read_text()
    values = [secret_id, tsig.secret(vaulted.services, tsig.OURS)]
    logs = [path.read_text() for path in vaulted.directory.glob("*.log")]
    assert len(logs) >= 5
    assert not [text for text in logs for value in values if value in text]
    dumped = subprocess.check_output(
        ["pg_dump", "--inserts", vaulted.env["DATABASE_URL"]], text=True
    )
    assert "vault:kv/dns/" in dumped
    assert not [value for value in values if value in dumped]
