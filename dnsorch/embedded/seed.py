"""What the embedded stack finds in its database: a zone, a person, two tokens."""

from __future__ import annotations

import base64
import secrets
from dataclasses import dataclass, field

from django.conf import settings
from django.contrib.auth.models import User

from dns_records.models import Zone
from dns_records.services import backends, zones
from dnsorch.embedded import private
from dnsorch.tokens import services as tokens
from dnsorch.tokens.models import ApiToken, Source

HOST = "127.0.0.1"
ZONE = "example.test."
BACKEND = "embedded"
# One owner for both doors: the same idempotency key is then the same request.
OWNER = "demo"
LABEL = "embedded"
ADMIN = "admin"
KEY_NAME = "dnsorch."
KEY_ALGORITHM = "hmac-sha256"
KEY_OCTETS = 32  # as long as the digest (RFC 8945 section 8)


@dataclass(frozen=True)
class TsigKey:
    """The key of the development name server; ``secret`` is base64."""

    name: str
    algorithm: str
    secret: str = field(repr=False)


@dataclass(frozen=True)
class Seeded:
    """What a person needs to use the stack."""

    tsig: TsigKey
    token: str = field(repr=False)
    admin_user: str
    admin_password: str = field(repr=False)


def seed() -> Seeded:
    """Bring database and data directory to what the embedded stack expects.

    It may be done again and again: keys, password and zone stay, and the zone moves
    along when the ports do; the tokens are new each time and the old ones revoked.
    """
    key = tsig_key()
    _zone(key)
    for token in ApiToken.objects.filter(label=LABEL, revoked_at=None):
        tokens.revoke(token=token)
    kafka = tokens.issue(owner=OWNER, label=LABEL, source=Source.KAFKA)
    private.write(settings.EMBEDDED_KAFKA_TOKEN_FILE, kafka.text + "\n")
    rest = tokens.issue(owner=OWNER, label=LABEL, source=Source.REST)
    return Seeded(
        tsig=key,
        token=rest.text,
        admin_user=ADMIN,
        admin_password=_admin(),
    )


def tsig_key() -> TsigKey:
    """Return the name server's key, made at the first start.

    ``tsig.key`` is for the name server, ``tsig.secret`` for the provider.
    """
    random = base64.b64encode(secrets.token_bytes(KEY_OCTETS)).decode()
    secret = private.keep(settings.VAR_DIR / "tsig.secret", random)
    key = TsigKey(KEY_NAME, KEY_ALGORITHM, secret)
    private.write(
        settings.VAR_DIR / "tsig.key", f"{key.name}:{key.algorithm}:{secret}\n"
    )
    return key


def _zone(key: TsigKey) -> None:
    backend = backends.save(
        name=BACKEND,
        driver="rfc2136",
        options={
            "server": HOST,
            "port": settings.DNSORCH_PORT_DNS,
            "key_name": key.name,
            "key_algorithm": key.algorithm,
        },
        secret_reference=f"file:{settings.VAR_DIR / 'tsig.secret'}",
    )
    address = f"{HOST}:{settings.DNSORCH_PORT_DNS}"
    zone = Zone.objects.filter(name=ZONE).first()
    if zone is None:
        zones.register(name=ZONE, backend=backend, nameservers=[address])
    else:
        # Secondaries that somebody added stay; the first is the update server.
        nameservers = [address, *zone.nameservers[1:]]
        zones.change(zone, {"backend": backend, "nameservers": nameservers})


def _admin() -> str:
    """Return the password of the admin user, whose row follows the file."""
    password = private.keep(
        settings.VAR_DIR / "admin.password", secrets.token_urlsafe(18)
    )
    user, _ = User.objects.get_or_create(
        username=ADMIN, defaults={"is_staff": True, "is_superuser": True}
    )
    if not user.check_password(password):
        user.set_password(password)
        user.save(update_fields=["password"])
    return password
