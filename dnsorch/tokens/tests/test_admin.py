"""API tokens in the admin."""

from __future__ import annotations

import html
import re

import pytest
from django.contrib.admin.models import LogEntry
from django.contrib.auth.models import Permission, User
from django.contrib.messages import get_messages
from django.test import Client

from dnsorch.tokens import selectors, services
from dnsorch.tokens.models import ApiToken

pytestmark = pytest.mark.django_db

URL = "/admin/tokens/apitoken/"
WANTED = {"owner": "team-web", "label": "CI", "source": "rest"}


def test_a_new_token_is_shown_once_and_kept_nowhere(admin_client: Client) -> None:
    wanted = {**WANTED, "zones": "B.test\n\na.test."}
    answer = admin_client.post(f"{URL}add/", wanted)
    assert answer.status_code == 200
    assert "no-store" in answer.headers["Cache-Control"]
    (shown,) = re.findall(r"dno_[0-9A-Za-z]{36}", answer.content.decode())
    token = selectors.by_text(shown)
    assert token is not None
    assert (token.owner, token.zones) == ("team-web", ["a.test.", "b.test."])
    assert list(get_messages(answer.wsgi_request)) == []
    assert shown not in str(list(LogEntry.objects.values()))
    for page in (URL, f"{URL}{token.pk}/change/"):
        again = admin_client.get(page)
        assert again.status_code == 200
        assert shown not in again.content.decode()
        assert token.prefix in again.content.decode()
        assert token.digest not in again.content.decode()


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"owner": "user:alice"}, "'user:' names people with a session"),
        ({"zones": "a..b"}, "'a..b' is not the name of a zone"),
        ({"expires_at_0": "2020-01-01", "expires_at_1": "00:00"}, "a time to come"),
    ],
)
def test_the_service_s_reasons_stand_in_the_form(
    admin_client: Client, wrong: dict[str, str], message: str
) -> None:
    answer = admin_client.post(f"{URL}add/", {**WANTED, **wrong})
    assert answer.status_code == 200
    assert message in html.unescape(answer.content.decode())
    assert ApiToken.objects.count() == 0


def test_the_action_revokes_what_is_selected(admin_client: Client) -> None:
    kept, gone = services.issue(owner="kept").token, services.issue(owner="gone").token
    answer = admin_client.post(
        URL, {"action": "revoke", "_selected_action": [gone.pk], "index": "0"}
    )
    assert answer.status_code == 302
    assert list(ApiToken.objects.filter(revoked_at=None)) == [kept]


def test_nothing_else_can_be_changed_or_deleted(admin_client: Client) -> None:
    token = services.issue(owner="before").token
    changed = admin_client.post(f"{URL}{token.pk}/change/", {"owner": "after"})
    deleted = admin_client.post(f"{URL}{token.pk}/delete/", {"post": "yes"})
    assert (changed.status_code, deleted.status_code) == (403, 403)
    assert ApiToken.objects.get().owner == "before"


@pytest.mark.parametrize(
    ("codename", "may_revoke"), [("view_apitoken", False), ("change_apitoken", True)]
)
def test_revoking_needs_the_permission_to_change(
    client: Client, codename: str, may_revoke: bool
) -> None:
    user = User.objects.create_user("operator", is_staff=True)
    user.user_permissions.add(Permission.objects.get(codename=codename))
    client.force_login(user)
    token = services.issue(owner="x").token
    assert client.get(URL).status_code == 200
    assert client.get(f"{URL}add/").status_code == 403
    client.post(URL, {"action": "revoke", "_selected_action": [token.pk], "index": "0"})
    token.refresh_from_db()
    assert (token.revoked_at is not None) is may_revoke
