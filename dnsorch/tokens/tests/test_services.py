"""Issue, revoke, note the use of a token."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from dnsorch import clock
from dnsorch.exceptions import Invalid
from dnsorch.tokens import selectors, services, text
from dnsorch.tokens.access import Access
from dnsorch.tokens.models import ApiToken

pytestmark = pytest.mark.django_db

NOON = datetime(2026, 11, 22, 12, tzinfo=UTC)


def test_issue_keeps_a_digest_and_never_the_text() -> None:
    with clock.fixed(NOON):
        issued = services.issue(owner="team-web", label="CI", zones=["Example.TEST"])
    row: dict[str, Any] = {**ApiToken.objects.values().get()}
    assert row.pop("id") == issued.token.pk
    assert row == {
        "owner": "team-web",
        "label": "CI",
        "digest": text.digest(issued.text),
        "prefix": issued.text[:12],
        "source": "rest",
        "zones": ["example.test."],
        "read_only": False,
        "created_at": NOON,
        "expires_at": None,
        "revoked_at": None,
        "last_used_at": None,
    }
    assert issued.text not in repr(issued)


@pytest.mark.parametrize(
    ("given", "canonical"),
    [
        ([], []),
        (["b.test.", "A.test", "a.TEST."], ["a.test.", "b.test."]),
        (["bücher.example"], ["xn--bcher-kva.example."]),
        (["0/25.2.0.192.in-addr.arpa"], ["0/25.2.0.192.in-addr.arpa."]),
    ],
)
def test_zones_are_kept_canonical(given: list[str], canonical: list[str]) -> None:
    assert services.issue(owner="x", zones=given).token.zones == canonical


@pytest.mark.parametrize(
    ("wanted", "pointer", "code"),
    [
        ({"owner": ""}, "/owner", "invalid"),
        ({"owner": " x"}, "/owner", "invalid"),
        ({"owner": "x\ny"}, "/owner", "invalid"),
        ({"owner": "x" * 129}, "/owner", "invalid"),
        ({"owner": "user:alice"}, "/owner", "reserved"),
        ({"label": "x" * 129}, "/label", "max_length"),
        ({"source": "carrier-pigeon"}, "/source", "invalid_choice"),
        ({"expires_at": NOON}, "/expires_at", "past"),
        ({"zones": ["a.test", "b..test"]}, "/zones/1", "invalid_name"),
        ({"zones": ["."]}, "/zones/0", "invalid_name"),
        ({"zones": [""]}, "/zones/0", "invalid_name"),
    ],
)
def test_issue_refuses_and_writes_nothing(
    wanted: dict[str, Any], pointer: str, code: str
) -> None:
    with clock.fixed(NOON), pytest.raises(Invalid) as caught:
        services.issue(**{"owner": "team-web", **wanted})
    assert [(r.pointer, r.code) for r in caught.value.reasons] == [(pointer, code)]
    assert ApiToken.objects.count() == 0


def test_revoke_acts_once() -> None:
    token = services.issue(owner="x").token
    with clock.fixed(NOON):
        assert services.revoke(token=token)
    assert not services.revoke(token=token)
    token.refresh_from_db()
    assert token.revoked_at == NOON


def test_use_is_noted_once_a_minute() -> None:
    token = services.issue(owner="x").token
    noted = []
    for seconds in (0, 59, 60, 61, 121):
        token.refresh_from_db()
        at = NOON + timedelta(seconds=seconds)
        noted.append(services.note_use(token=token, at=at))
    assert noted == [True, False, True, False, True]
    token.refresh_from_db()
    assert token.last_used_at == NOON + timedelta(seconds=121)


def test_two_processes_note_one_use() -> None:
    token = services.issue(owner="x").token
    same = ApiToken.objects.get(pk=token.pk)
    assert services.note_use(token=token, at=NOON)
    assert not services.note_use(token=same, at=NOON + timedelta(seconds=1))


def test_by_text_finds_the_token_and_asks_for_no_nonsense(
    django_assert_num_queries: Any,
) -> None:
    issued = services.issue(owner="x")
    assert selectors.by_text(issued.text) == issued.token
    assert selectors.by_text(text.generate()) is None
    with django_assert_num_queries(0):
        assert selectors.by_text(issued.text[:-1]) is None


@pytest.mark.parametrize(
    ("minutes", "revoked", "live"),
    [(1, False, True), (0, False, False), (-1, False, False), (1, True, False)],
)
def test_a_token_is_live_until_it_expires_or_is_revoked(
    minutes: int, revoked: bool, live: bool
) -> None:
    token = ApiToken(
        expires_at=NOON + timedelta(minutes=minutes),
        revoked_at=NOON if revoked else None,
    )
    assert token.is_live(NOON) is live


@pytest.mark.parametrize(
    ("zones", "read_only", "reads", "writes"),
    [
        ([], False, True, True),
        ([], True, True, False),
        (["a.test."], False, True, True),
        (["a.test."], True, True, False),
        (["b.test."], False, False, False),
    ],
)
def test_access_says_what_a_token_may(
    zones: list[str], read_only: bool, reads: bool, writes: bool
) -> None:
    token = ApiToken(pk=7, owner="x", source="kafka", zones=zones, read_only=read_only)
    access = selectors.access(token)
    expected = Access("x", "kafka", frozenset(zones) or None, read_only, 7)
    assert access == expected
    assert (access.may_read("a.test."), access.may_write("a.test.")) == (reads, writes)
