"""What the embedded stack finds in its database, at the first start and later."""

from __future__ import annotations

import base64
from pathlib import Path

import pytest
from django.contrib.auth.models import User
from pytest_django.fixtures import Settings

from dns_records.models import Backend, Lane, Zone
from dnsorch import secrets
from dnsorch.embedded import seed
from dnsorch.embedded.errors import KeyFileUnreadable
from dnsorch.tokens import selectors, services
from dnsorch.tokens.models import ApiToken

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def directory(settings: Settings, tmp_path: Path) -> Path:
    """Give a data directory of its own."""
    settings.VAR_DIR = tmp_path
    settings.EMBEDDED_KAFKA_TOKEN_FILE = tmp_path / "kafka.token"
    settings.DNSORCH_PORT_DNS = 5354
    settings.DNSORCH_NAMESERVERS = []
    settings.DNSORCH_TSIG_KEY_FILE = ""
    return tmp_path


def live(text: str) -> ApiToken:
    """Return the token with this text, which has to be live."""
    token = selectors.by_text(text)
    assert token is not None and token.revoked_at is None
    return token


def test_backend_and_zones(directory: Path) -> None:
    key = seed.seed().tsig
    backend = Backend.objects.get()
    assert (backend.name, backend.driver) == ("embedded", "rfc2136")
    assert backend.options == {
        "server": "127.0.0.1",
        "port": 5354,
        "key_name": "dnsorch.",
        "key_algorithm": "hmac-sha256",
    }
    assert backend.secret_reference == f"file:{directory}/tsig.secret"
    assert secrets.get(backend.secret_reference) == key.secret
    assert len(base64.b64decode(key.secret)) == 32
    zones = Zone.objects.order_by("pk")
    assert [each.name for each in zones] == ["example.test.", "2.0.192.in-addr.arpa."]
    for zone in zones:
        assert zone.backend == backend
        assert zone.nameservers == ["127.0.0.1:5354"]
        assert Lane.objects.filter(zone=zone).count() == 1


def test_the_name_server_s_key_file(directory: Path) -> None:
    key = seed.seed().tsig
    assert (
        directory / "tsig.key"
    ).read_text() == f"dnsorch.:hmac-sha256:{key.secret}\n"


def test_tokens_for_both_doors(directory: Path) -> None:
    seeded = seed.seed()
    rest = live(seeded.token)
    kafka = live((directory / "kafka.token").read_text().strip())
    assert (rest.owner, rest.source, rest.zones, rest.read_only) == (
        "demo",
        "rest",
        [],
        False,
    )
    assert (kafka.owner, kafka.source, kafka.zones, kafka.read_only) == (
        "demo",
        "kafka",
        [],
        False,
    )


def test_the_admin_user(directory: Path) -> None:
    seeded = seed.seed()
    user = User.objects.get()
    assert user.username == seeded.admin_user == "admin"
    assert user.is_staff and user.is_superuser
    assert user.check_password(seeded.admin_password)


def test_nothing_in_the_data_directory_is_for_others(directory: Path) -> None:
    seed.seed()
    modes = {path.name: path.stat().st_mode & 0o777 for path in directory.iterdir()}
    assert modes == {
        "admin.password": 0o600,
        "kafka.token": 0o600,
        "tsig.key": 0o600,
        "tsig.secret": 0o600,
    }


def test_seeding_again_keeps_all_but_the_tokens(directory: Path) -> None:
    first = seed.seed()
    second = seed.seed()
    assert second.tsig == first.tsig
    assert second.admin_password == first.admin_password
    assert second.token != first.token
    old = selectors.by_text(first.token)
    assert old is not None and old.revoked_at is not None
    live(second.token)
    assert ApiToken.objects.filter(revoked_at=None).count() == 2
    assert (Backend.objects.count(), Zone.objects.count()) == (1, 2)
    assert User.objects.count() == 1


def test_other_tokens_stay() -> None:
    other = services.issue(owner="team-web", label="deploy")
    seed.seed()
    live(other.text)


def test_the_zones_follow_the_name_server_to_another_port(
    settings: Settings,
) -> None:
    seed.seed()
    Zone.objects.update(nameservers=["127.0.0.1:5354", "127.0.0.1:5399"])
    settings.DNSORCH_PORT_DNS = 6000
    seed.seed()
    found = Zone.objects.values_list("nameservers", flat=True)
    assert list(found) == [["127.0.0.1:6000", "127.0.0.1:5399"]] * 2
    assert Backend.objects.get().options["port"] == 6000


def test_a_zone_that_was_put_on_another_backend_stays_there() -> None:
    seed.seed()
    other = Backend.objects.create(name="other", driver="memory")
    moved = Zone.objects.filter(name=seed.REVERSE_ZONE)
    moved.update(backend=other, nameservers=["192.0.2.53"])
    seed.seed()
    assert (moved.get().backend, moved.get().nameservers) == (other, ["192.0.2.53"])


def test_the_user_s_own_name_servers_and_key_are_used(
    settings: Settings, directory: Path
) -> None:
    settings.DNSORCH_NAMESERVERS = ["192.0.2.53", "192.0.2.54:5300"]
    settings.DNSORCH_TSIG_KEY_FILE = str(directory / "own.key")
    (directory / "own.key").write_text("own.:hmac-sha512:c2VjcmV0\n")
    assert seed.seed().tsig == seed.TsigKey("own.", "hmac-sha512", "c2VjcmV0")
    assert Zone.objects.get().nameservers == settings.DNSORCH_NAMESERVERS
    backend = Backend.objects.get()
    assert backend.options == {
        "server": "192.0.2.53",
        "port": 53,
        "key_name": "own.",
        "key_algorithm": "hmac-sha512",
    }
    assert secrets.get(backend.secret_reference) == "c2VjcmV0"


@pytest.mark.parametrize("text", [None, "c2VjcmV0", "own.:hmac-sha512"])
def test_a_key_file_that_is_none_is_one_sentence(
    settings: Settings, directory: Path, text: str | None
) -> None:
    path = directory / "own.key"
    settings.DNSORCH_TSIG_KEY_FILE = str(path)
    if text is not None:
        path.write_text(text)
    with pytest.raises(KeyFileUnreadable, match=f"{path}.*name:algorithm:secret"):
        seed.seed()
    assert not Backend.objects.exists()


def test_a_lost_password_file_makes_a_new_password(directory: Path) -> None:
    first = seed.seed()
    (directory / "admin.password").unlink()
    second = seed.seed()
    assert second.admin_password != first.admin_password
    assert User.objects.get().check_password(second.admin_password)
