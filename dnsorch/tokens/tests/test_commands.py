"""``create_token`` and ``revoke_token``."""

from __future__ import annotations

import io
import json
from datetime import UTC, datetime, timedelta

import pytest
from django.core.management import CommandError, call_command

from dnsorch import clock
from dnsorch.tokens import selectors, services
from dnsorch.tokens.models import ApiToken

pytestmark = pytest.mark.django_db

NOON = datetime(2026, 11, 22, 12, tzinfo=UTC)


def run(*arguments: str) -> str:
    """Run a command and return what it printed."""
    out = io.StringIO()
    call_command(*arguments, stdout=out)
    return out.getvalue()


def test_create_token_prints_the_text_and_nothing_else() -> None:
    printed = run("create_token", "--owner", "team-web")
    token = selectors.by_text(printed.removesuffix("\n"))
    assert token is not None
    assert (token.owner, token.source, token.zones) == ("team-web", "rest", [])
    assert (token.read_only, token.expires_at) == (False, None)


def test_create_token_takes_every_option() -> None:
    with clock.fixed(NOON):
        printed = run(
            *("create_token", "--owner", "bridge", "--label", "Kafka"),
            *("--source", "kafka", "--zone", "B.test", "--zone", "a.test."),
            *("--read-only", "--expires-in-days", "30", "--json"),
        )
    shown = json.loads(printed)
    token = selectors.by_text(shown.pop("token"))
    assert token is not None
    assert shown == {
        "owner": "bridge",
        "label": "Kafka",
        "prefix": token.prefix,
        "source": "kafka",
        "zones": ["a.test.", "b.test."],
        "read_only": True,
        "expires_at": "2026-12-22T12:00:00+00:00",
    }
    assert token.expires_at == NOON + timedelta(days=30)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--owner", "user:x"], "owner: 'user:' names people with a session"),
        (["--owner", "x", "--zone", "a..b"], "zones/0: 'a..b' is not the name"),
        (["--owner", "x", "--expires-in-days", "0"], "--expires-in-days: 1 to"),
    ],
)
def test_create_token_says_what_is_wrong(arguments: list[str], message: str) -> None:
    with pytest.raises(CommandError, match=message):
        run("create_token", *arguments)
    assert ApiToken.objects.count() == 0


def test_revoke_token_revokes_the_one_meant() -> None:
    meant, other = services.issue(owner="x"), services.issue(owner="y")
    assert run("revoke_token", meant.token.prefix) == f"revoked {meant.token}\n"
    assert list(ApiToken.objects.filter(revoked_at=None)) == [other.token]


@pytest.mark.parametrize(
    ("prefix", "message"),
    [
        ("dno_", "too short"),
        ("dno_zzzzzzzz", "no live tokens begin with dno_zzzzzzzz"),
        ("dno_same", "2 live tokens begin with dno_same"),
    ],
)
def test_revoke_token_revokes_none_by_a_slip(prefix: str, message: str) -> None:
    for digest in ("1", "2"):
        ApiToken.objects.create(
            owner="x", digest=digest, prefix=f"dno_same000{digest}", created_at=NOON
        )
    with pytest.raises(CommandError, match=message):
        run("revoke_token", prefix)
    assert ApiToken.objects.filter(revoked_at=None).count() == 2
