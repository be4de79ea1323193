"""A small server that answers as Vault does, for what we ask of it.

KV version 2 and the logins by token, AppRole and Kubernetes, with the paths, statuses
and bodies of Vault's HTTP API (https://developer.hashicorp.com/vault/api-docs).
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Event, Thread
from typing import Any

ROLE_ID = "b1ad9a3e-role"
SECRET_ID = "5ecret1d-of-the-approle"
JWT = "eyJhbGciOi.service-account.token"
ROOT_TOKEN = "hvs.root-token-of-the-tests"
LEASE_S = 1200

DENIED = (403, {"errors": ["permission denied"]})


@dataclass
class Vault:
    """What the server holds, and what it was asked, in order."""

    secrets: dict[str, dict[str, Any]] = field(default_factory=dict)
    deleted: set[str] = field(default_factory=set)
    tokens: set[str] = field(default_factory=lambda: {ROOT_TOKEN})
    namespace: str | None = None
    logins: list[str] = field(default_factory=list)
    asked: list[str] = field(default_factory=list)
    # An answer to everything, whatever is asked: a status and a body.
    always: tuple[int, Any] | None = None
    hang: Event | None = None
    address: str = ""

    def answer(
        self, method: str, path: str, headers: Any, body: Any
    ) -> tuple[int, Any]:
        """Return the status and the JSON body of one call."""
        self.asked.append(f"{method} {path}")
        if self.hang is not None:
            self.hang.wait(10)
        if self.always is not None:
            return self.always
        if headers.get("X-Vault-Namespace") != self.namespace:
            return DENIED
        if method == "POST" and path.startswith("/v1/auth/"):
            return self._login(path, body)
        if headers.get("X-Vault-Token") not in self.tokens:
            return DENIED
        return self._read(path.removeprefix("/v1/"))

    def _login(self, path: str, body: Any) -> tuple[int, Any]:
        if path.startswith("/v1/auth/kubernetes"):
            if body != {"role": "dnsorch", "jwt": JWT}:
                return DENIED
        elif body != {"role_id": ROLE_ID, "secret_id": SECRET_ID}:
            return 400, {"errors": ["invalid role or secret ID"]}
        token = f"hvs.login-{len(self.logins) + 1}"
        self.logins.append(path)
        self.tokens.add(token)
        return 200, {"auth": {"client_token": token, "lease_duration": LEASE_S}}

    def _read(self, path: str) -> tuple[int, Any]:
        metadata = {"version": 2, "deletion_time": "", "destroyed": False}
        if path in self.deleted:
            metadata["deletion_time"] = "2026-01-01T00:00:00Z"
            return 404, {"data": {"data": None, "metadata": metadata}}
        if path not in self.secrets:
            return 404, {"errors": []}
        return 200, {"data": {"data": self.secrets[path], "metadata": metadata}}


def _handler(vault: Vault) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        """Hands each call to the vault."""

        def do_GET(self) -> None:
            """Answer a read."""
            self._answer(None)

        def do_POST(self) -> None:
            """Answer a login."""
            length = int(self.headers.get("Content-Length", 0))
            self._answer(json.loads(self.rfile.read(length)))

        def _answer(self, body: Any) -> None:
            status, content = vault.answer(self.command, self.path, self.headers, body)
            octets = json.dumps(content).encode()
            self.send_response(status)
            if status == 307:
                self.send_header("Location", vault.address + "/v1/elsewhere")
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(octets)))
            self.end_headers()
            try:
                self.wfile.write(octets)
            except ConnectionError:
                pass  # the client did not wait

        def log_message(self, format: str, *args: Any) -> None:
            """Say nothing."""

    return Handler


@contextmanager
def serving() -> Iterator[Vault]:
    """Serve an empty vault on a free port of loopback."""
    vault = Vault()
    server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(vault))
    vault.address = f"http://127.0.0.1:{server.server_port}"
    thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield vault
    finally:
        if vault.hang is not None:
            vault.hang.set()
        server.shutdown()
        thread.join()
        server.server_close()
