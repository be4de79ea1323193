"""Who may call the API."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.db import OperationalError
from django.test import Client
from rest_framework.test import APIClient
from structlog.testing import capture_logs

from dnsorch import clock
from dnsorch.tests.conftest import MakeClient
from dnsorch.tokens import services, text
from dnsorch.tokens.models import ApiToken

pytestmark = [pytest.mark.django_db, pytest.mark.urls("dnsorch.tests.api_urls")]

URL = "/api/echo/"


def bearing(token: str) -> APIClient:
    """Return a client that sends ``token``."""
    client = APIClient()
    client.credentials(HTTP_AUTHORIZATION=f"Bearer {token}")
    return client


def test_a_token_acts_for_its_owner_through_its_door(make_client: MakeClient) -> None:
    client = make_client(owner="bridge", source="kafka", zones=["a.test"])
    assert client.get(URL).json() == {"owner": "bridge", "source": "kafka"}


@pytest.mark.parametrize("header", ["bearer {}", "BEARER {}", "Bearer  {} "])
def test_the_scheme_s_case_and_spaces_do_not_matter(header: str) -> None:
    issued = services.issue(owner="x")
    client = APIClient(headers={"Authorization": header.format(issued.text)})
    assert client.get(URL).status_code == 200


@pytest.mark.parametrize("header", [None, "", "Basic eDp5", "Token abc", "dno_abc"])
def test_without_a_bearer_token_the_answer_is_a_challenge(header: str | None) -> None:
    headers = {} if header is None else {"Authorization": header}
    answer = APIClient().get(URL, headers=headers)
    assert (answer.status_code, answer.json()["code"]) == (401, "not_authenticated")
    assert answer.headers["WWW-Authenticate"] == 'Bearer realm="dnsorch"'


def test_tokens_that_act_no_more_get_one_answer_and_four_log_lines() -> None:
    now = clock.now()
    expired = services.issue(owner="x", expires_at=now + timedelta(minutes=1))
    revoked = services.issue(owner="x")
    services.revoke(token=revoked.token)
    bodies, reasons = [], []
    with clock.fixed(now + timedelta(minutes=1)):
        for token in (expired.text, revoked.text, text.generate(), "hunter2", ""):
            with capture_logs() as logs:
                answer = bearing(token).get(URL)
            assert answer.status_code == 401
            assert answer.headers["WWW-Authenticate"] == (
                'Bearer realm="dnsorch", error="invalid_token"'
            )
            bodies.append(answer.json())
            reasons += [x["reason"] for x in logs if x["event"] == "token refused"]
            assert "hunter2" not in str(logs)
    assert bodies == [bodies[0]] * 5
    assert (bodies[0]["code"], bodies[0]["detail"]) == (
        "invalid_token",
        "invalid token",
    )
    assert reasons == ["expired", "revoked", "unknown", "unknown", "unknown"]


def test_revocation_acts_on_the_next_request(make_client: MakeClient) -> None:
    client = make_client()
    assert client.get(URL).status_code == 200
    services.revoke(token=ApiToken.objects.get())
    assert client.get(URL).status_code == 401


def test_use_is_noted(make_client: MakeClient) -> None:
    client = make_client()
    with clock.fixed(clock.now()) as now:
        client.get(URL)
    assert ApiToken.objects.get().last_used_at == now


def test_a_busy_database_does_not_keep_a_reader_out(
    make_client: MakeClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    def busy(**kwargs: Any) -> None:
        raise OperationalError("database is locked")

    client = make_client()
    monkeypatch.setattr(services, "note_use", busy)
    assert client.get(URL).status_code == 200


def test_a_request_costs_one_query_for_its_token(
    make_client: MakeClient, django_assert_num_queries: Any
) -> None:
    client = make_client()
    client.get(URL)
    with django_assert_num_queries(1):
        client.get(URL)


@pytest.mark.parametrize(
    ("method", "status"),
    [("GET", 200), ("HEAD", 200), ("POST", 403), ("DELETE", 403)],
)
def test_a_read_only_token_only_reads(
    make_client: MakeClient, method: str, status: int
) -> None:
    client = make_client(read_only=True)
    answer = client.generic(method, URL, "{}", content_type="application/json")
    assert answer.status_code == status
    if status == 403:
        assert answer.json()["code"] == "read_only_token"


def test_a_person_from_the_admin_acts_as_a_user() -> None:
    client = Client()
    client.force_login(User.objects.create_user("alice", is_staff=True))
    assert client.get(URL).json() == {"owner": "user:alice", "source": "rest"}


def test_a_session_needs_the_csrf_token_to_write() -> None:
    client = Client(enforce_csrf_checks=True)
    client.force_login(User.objects.create_user("alice", is_staff=True))
    answer = client.post(URL, "{}", content_type="application/json")
    assert (answer.status_code, answer.json()["code"]) == (403, "forbidden")
    assert answer.json()["detail"].startswith("CSRF Failed")
    client.cookies["csrftoken"] = secret = "x" * 32
    headers = {"X-CSRFToken": secret}
    answer = client.post(URL, "{}", content_type="application/json", headers=headers)
    assert answer.status_code == 200


def test_a_person_who_is_not_staff_is_refused() -> None:
    client = Client()
    client.force_login(User.objects.create_user("bob"))
    answer = client.get(URL)
    assert (answer.status_code, answer.json()["code"]) == (403, "forbidden")


def test_a_bad_token_is_not_saved_by_a_session() -> None:
    client = Client()
    client.force_login(User.objects.create_user("alice", is_staff=True))
    answer = client.get(URL, headers={"Authorization": "Bearer x"})
    assert answer.status_code == 401
