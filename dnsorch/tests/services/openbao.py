"""The administrator's side of OpenBao, and a Kubernetes that reviews tokens."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import httpx
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from deploy.services.openbao import MOUNT, ROLE
from dnsorch.tests import real

NAMESPACE = "dnsorch-test"
ACCOUNT = "dnsorch"


def _part(content: bytes) -> str:
    return base64.urlsafe_b64encode(content).decode().rstrip("=")


# A projected token of the account. Its signature is Kubernetes' to judge; OpenBao
# compares the claims with what the review says.
JWT = ".".join(
    [
        _part(json.dumps({"alg": "ES256", "typ": "JWT"}).encode()),
        _part(
            json.dumps(
                {
                    "sub": f"system:serviceaccount:{NAMESPACE}:{ACCOUNT}",
                    "iat": 1_700_000_000,
                    "nbf": 1_700_000_000,
                    "exp": 4_102_444_800,
                    "kubernetes.io": {
                        "namespace": NAMESPACE,
                        "serviceaccount": {
                            "name": ACCOUNT,
                            "uid": f"uid-of-{ACCOUNT}",
                        },
                    },
                }
            ).encode()
        ),
        _part(bytes(64)),
    ]
)


class Administrator:
    """What an operator does to OpenBao."""

    def __init__(self) -> None:
        """Log in with the root token."""
        self.address = real.setting("DNSORCH_TEST_VAULT_ADDR")
        token = Path(real.setting("DNSORCH_TEST_VAULT_TOKEN_FILE")).read_text()
        self._client = httpx.Client(
            base_url=f"{self.address}/v1/",
            headers={"X-Vault-Token": token},
            timeout=20,
        )

    def call(self, method: str, path: str, body: Any = None) -> Any:
        """Call OpenBao's API; return what it answers with."""
        answer = self._client.request(method, path, json=body)
        assert answer.is_success, answer.text
        return answer.json() if answer.content else None

    def put(self, path: str, **values: Any) -> None:
        """Write a new version of a secret."""
        self.call("POST", f"{MOUNT}/data/{path}", {"data": values})

    def approle(self) -> tuple[str, str]:
        """Return the id of the role and a new secret id."""
        role = self.call("GET", f"auth/approle/role/{ROLE}/role-id")
        secret = self.call("POST", f"auth/approle/role/{ROLE}/secret-id")
        return role["data"]["role_id"], secret["data"]["secret_id"]

    def seal(self) -> None:
        """Seal it: it answers nothing any more."""
        self.call("PUT", "sys/seal")

    def unseal(self) -> None:
        """Unseal it, and wait until it is active."""
        key = Path(real.setting("DNSORCH_TEST_VAULT_UNSEAL_KEY_FILE")).read_text()
        self.call("PUT", "sys/unseal", {"key": key})
        while self._client.get("sys/health").status_code != 200:
            pass

    def close(self) -> None:
        """Close the connections."""
        self._client.close()


@dataclass
class Reviewer:
    """Kubernetes' TokenReview: which tokens it knows, and whose they are."""

    address: str
    accounts: dict[str, str]
    asked: list[Mapping[str, Any]]

    def review(self, body: Mapping[str, Any]) -> dict[str, Any]:
        """Return the answer to one review."""
        self.asked.append(body)
        name = self.accounts.get(body["spec"]["token"])
        status: dict[str, Any] = {"authenticated": name is not None}
        if name is not None:
            username = f"system:serviceaccount:{NAMESPACE}:{name}"
            status["user"] = {"username": username, "uid": f"uid-of-{name}"}
        return {**body, "status": status}


def certificate() -> str:
    """Return a certificate: OpenBao wants one of Kubernetes, even over plain http."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "kubernetes")])
    now = datetime.now(UTC)
    signed = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now)
        .not_valid_after(now + timedelta(days=1))
        .sign(key, hashes.SHA256())
    )
    return signed.public_bytes(serialization.Encoding.PEM).decode()


@contextmanager
def kubernetes() -> Iterator[Reviewer]:
    """Serve TokenReviews on a free port of loopback."""

    class Handler(BaseHTTPRequestHandler):
        """Answers the one call that OpenBao makes."""

        def do_POST(self) -> None:
            """Answer a review."""
            length = int(self.headers["Content-Length"])
            answer = reviewer.review(json.loads(self.rfile.read(length)))
            octets = json.dumps(answer).encode()
            self.send_response(201)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(octets)))
            self.end_headers()
            self.wfile.write(octets)

        def log_message(self, format: str, *args: Any) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    reviewer = Reviewer(f"http://127.0.0.1:{server.server_port}", {}, [])
    thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield reviewer
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
