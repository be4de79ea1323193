"""TSIG keys (RFC 8945) that name servers and dnsorch share."""

from __future__ import annotations

import base64
import secrets
from pathlib import Path

from deploy.services.base import keep

ALGORITHM = "hmac-sha256"
OCTETS = 32  # as long as the digest (RFC 8945 section 8)
#: Ours: it alone may write the marker RR.
OURS = "dnsorch."
#: Somebody else's, who writes to the same zone.
OTHER = "other."
#: For zone transfers between the two BINDs.
TRANSFER = "transfer."


def secret_file(root: Path, name: str) -> Path:
    """Return the file with the base64 secret of a key, made at the first time."""
    path = root / "secrets" / f"tsig.{name}secret"
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        keep(path, base64.b64encode(secrets.token_bytes(OCTETS)).decode() + "\n")
    return path


def secret(root: Path, name: str) -> str:
    """Return the base64 secret of a key."""
    return secret_file(root, name).read_text().strip()


def key_file(root: Path) -> Path:
    """Return the file with our key as ``name:algorithm:secret``."""
    path = root / "secrets" / "tsig.key"
    keep(path, f"{OURS}:{ALGORITHM}:{secret(root, OURS)}\n")
    return path
