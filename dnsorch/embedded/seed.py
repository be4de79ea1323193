"""What the embedded stack finds in its database: zones, a person, two tokens."""

from __future__ import annotations

import base64
import secrets
from dataclasses import dataclass, field
from pathlib import Path

from django.conf import settings
from django.contrib.auth.models import User

from dns_records.models import Backend, Zone
from dns_records.providers import registry
from dns_records.services import backends, zones
from dns_records.tcp import Endpoint
from dnsorch.embedded import private
from dnsorch.embedded.errors import KeyFileUnreadable
from dnsorch.tokens import services as tokens
from dnsorch.tokens.models import ApiToken, Source

HOST = "127.0.0.1"
ZONE = "example.test."
#: Of 192.0.2.0/24, for the PTR records that go with addresses.
REVERSE_ZONE = "2.0.192.in-addr.arpa."
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

    It may be done again and again: keys, password and zones stay, and the zones
    move along when the ports do; the tokens are new each time and the old ones revoked.
    """
    key = tsig_key()
    backend = _backend(key)
    # Other name servers than ours may not have the reverse zone.
    for name in (ZONE,) if settings.DNSORCH_NAMESERVERS else (ZONE, REVERSE_ZONE):
        _zone(name, backend)
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


def nameservers() -> list[str]:
    """Return the addresses of the zones' name servers, the update server first."""
    return settings.DNSORCH_NAMESERVERS or [f"{HOST}:{settings.DNSORCH_PORT_DNS}"]


def tsig_key() -> TsigKey:
    """Return the name server's key, made at the first start unless it is given.

    ``tsig.key`` is for the name server, ``tsig.secret`` for the provider.

    Raises:
        KeyFileUnreadable: the one given cannot be read.
    """
    if settings.DNSORCH_TSIG_KEY_FILE:
        key = _read_key(Path(settings.DNSORCH_TSIG_KEY_FILE))
        private.write(settings.VAR_DIR / "tsig.secret", key.secret)
        return key
    random = base64.b64encode(secrets.token_bytes(KEY_OCTETS)).decode()
    secret = private.keep(settings.VAR_DIR / "tsig.secret", random)
    key = TsigKey(KEY_NAME, KEY_ALGORITHM, secret)
    private.write(
        settings.VAR_DIR / "tsig.key", f"{key.name}:{key.algorithm}:{secret}\n"
    )
    return key


def _read_key(path: Path) -> TsigKey:
    try:
        name, algorithm, secret = path.read_text().strip().split(":")
    except (OSError, ValueError) as error:
        raise KeyFileUnreadable(
            f"DNSORCH_TSIG_KEY_FILE, {path}: {error}; expected name:algorithm:secret"
        ) from error
    return TsigKey(name, algorithm, secret)


def _backend(key: TsigKey) -> Backend:
    server = Endpoint.parse(nameservers()[0])
    return backends.save(
        name=BACKEND,
        driver="rfc2136",
        options={
            "server": server.host,
            "port": server.port,
            "key_name": key.name,
            "key_algorithm": key.algorithm,
            **_time_limits(),
        },
        secret_reference=f"file:{settings.VAR_DIR / 'tsig.secret'}",
    )


def _zone(name: str, backend: Backend) -> None:
    addresses = nameservers()
    zone = Zone.objects.filter(name=name).first()
    if zone is None:
        zones.register(name=name, backend=backend, nameservers=addresses)
    elif zone.backend == backend:  # else somebody has it on another by now
        # Secondaries that somebody added stay; the first is the update server.
        others = [each for each in zone.nameservers[1:] if each not in addresses]
        zones.change(zone, {"nameservers": [*addresses, *others]})


def _time_limits() -> dict[str, float]:
    """Return time limits where the driver's own are too long for a short lease."""
    most: float = settings.DNSORCH_LEASE_S / 2
    options = registry.provider_class("rfc2136").options
    return {
        name: most
        for name in registry.TIME_LIMITS & options.keys()
        if options[name].default > most
    }


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
