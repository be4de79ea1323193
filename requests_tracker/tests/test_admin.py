"""The list of requests in the admin: what it shows and finds, and what it costs."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest
from django.test import Client
from pytest_django import DjangoAssertNumQueries

from dns_records.tests import world
from dnsorch import clock
from requests_tracker.admin import base, display, filters
from requests_tracker.models import Request
from requests_tracker.status import Status
from requests_tracker.tests.admin import FINAL, URL
from requests_tracker.tests.factories import NOON, RequestFactory

pytestmark = pytest.mark.django_db


def listed(client: Client, **query: str) -> list[UUID]:
    """Return the ids that a list shows, in its order."""
    answer = client.get(URL, query)
    assert answer.status_code == 200
    return [request.pk for request in answer.context["cl"].result_list]


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ({}, ["failed", "kafka", "open"]),
        ({"state": "open"}, ["kafka", "open"]),
        ({"state": "failed"}, ["failed"]),
        ({"source__exact": "kafka"}, ["kafka"]),
        ({"zone": "Other.test"}, ["kafka"]),
        ({"zone": "other.test."}, ["kafka"]),
        ({"zone": "test"}, []),
        ({"zone": "no..name"}, []),
        ({"zone": " "}, ["failed", "kafka", "open"]),
        ({"zone": "other.test", "state": "failed"}, []),
    ],
)
def test_filters(admin_client: Client, query: dict[str, str], found: list[str]) -> None:
    RequestFactory.create(requester="open")
    RequestFactory.create(requester="kafka", source="kafka", zone="other.test.")
    RequestFactory.create(requester="failed", status=Status.FAILED, **FINAL)
    answer = admin_client.get(URL, query)
    shown = [request.requester for request in answer.context["cl"].result_list]
    assert shown == found


@pytest.mark.parametrize(
    ("age", "found"),
    [
        ("hour", ["59 min"]),
        ("today", ["59 min", "11 h"]),
        ("week", ["59 min", "11 h", "13 h", "6 d"]),
        ("stuck", ["59 min", "11 h", "13 h", "6 d", "8 d"]),
    ],
)
def test_age_filter(admin_client: Client, age: str, found: list[str]) -> None:
    ages = {
        "8 d": timedelta(days=8),
        "6 d": timedelta(days=6),
        "13 h": timedelta(hours=13),
        "11 h": timedelta(hours=11),
        "59 min": timedelta(minutes=59),
    }
    for requester, length in ages.items():
        received(NOON - length, requester=requester)
    received(NOON - timedelta(days=8), requester="done", status="failed", **FINAL)
    with clock.fixed(NOON):
        answer = admin_client.get(URL, {"age": age})
    shown = [request.requester for request in answer.context["cl"].result_list]
    assert shown == found


@pytest.mark.parametrize(("minutes", "found"), [(4, 0), (6, 1)])
def test_what_is_on_its_way_for_long(
    admin_client: Client, minutes: int, found: int
) -> None:
    received(NOON - timedelta(minutes=minutes))
    with clock.fixed(NOON):
        assert len(listed(admin_client, age="stuck")) == found


def received(at: Any, **fields: Any) -> Request:
    """Return a request whose id is of the time at which it was received."""
    random = 0x7000_8000_0000_0000_0000
    number = Request.objects.count()
    request_id = UUID(int=(int(at.timestamp() * 1000) << 80) + random + number)
    return RequestFactory.create(pk=request_id, received_at=at, **fields)


@pytest.mark.parametrize(
    ("term", "matches"),
    [
        ("{id}", True),
        ("{ID}", True),
        ("{hex}", True),
        ("{beginning}", True),
        ("{wrong}", False),
        ("www.example.test", True),
        ("WWW.example.test.", True),
        ("www", True),
        ("example.test", False),
        ("inside.example.test", True),
        ("build-17", True),
        ("key 17", True),
        ("team-mail", True),
        ("team-", False),
        ("<script>", False),
    ],
)
def test_search(admin_client: Client, term: str, matches: bool) -> None:
    world.make_zone()
    RequestFactory.create(requester="another")
    # A change set of many has its names in its changes only.
    wanted = world.post(
        world.draft("add", "inside", "A", "192.0.2.1"),
        world.draft("add", "another", "A", "192.0.2.1"),
    )
    Request.objects.filter(pk=wanted.pk).update(
        name="www.example.test.",
        correlation_id="build-17",
        idempotency_key="key 17",
        requester="team-mail",
    )
    digits = wanted.pk.hex
    text = term.format(
        id=wanted.pk,
        ID=str(wanted.pk).upper(),
        hex=digits,
        beginning=str(wanted.pk)[:30],
        wrong=digits[:-1] + ("0" if digits[-1] != "0" else "1"),
    )
    assert listed(admin_client, q=text) == ([wanted.pk] if matches else [])


@pytest.mark.parametrize("text", ["019ab", "x" * 8, "0" * 33, ""])
def test_what_is_not_the_beginning_of_an_id(text: str) -> None:
    assert filters.id_span(text) is None


def test_the_list_says_what_and_how_it_went(admin_client: Client) -> None:
    RequestFactory.create(
        action="create",
        name="www.example.test.",
        type="A",
        status=Status.FAILED,
        error={"code": "not_verified", "detail": "ns2 does not answer"},
        error_code="not_verified",
        **FINAL,
    )
    with clock.fixed(NOON + timedelta(minutes=3)):
        text = admin_client.get(URL).content.decode()
    for shown in (
        '<span class="dnsorch-badge dnsorch-bad" title="">failed</span>',
        '<small title="ns2 does not answer">not_verified</small>',
        "create www.example.test. A",
        "3 min 0 s ago",
        "2.0 s",
    ):
        assert shown in text


@pytest.mark.parametrize("rows", [1, 20])
def test_the_list_asks_the_same_few_questions_for_any_number_of_rows(
    admin_client: Client,
    django_assert_num_queries: DjangoAssertNumQueries,
    rows: int,
) -> None:
    RequestFactory.create_batch(rows, zone="example.test.")
    # session, user, bounded count, rows, suggestions of the zone filter
    with django_assert_num_queries(5) as asked:
        admin_client.get(URL)
    counts = [each["sql"] for each in asked.captured_queries if "COUNT(" in each["sql"]]
    assert len(counts) == 1
    assert f"LIMIT {base.COUNTED}" in counts[0]


def test_a_list_that_is_cut_says_so(
    admin_client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(base, "COUNTED", 3)
    RequestFactory.create_batch(4)
    text = admin_client.get(URL).content.decode()
    assert "3 requests" in text
    assert "No more than these are counted" in text


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "0 ms"),
        (0.0123, "12 ms"),
        (1, "1.0 s"),
        (59.94, "59.9 s"),
        (60, "1 min 0 s"),
        (3599, "59 min 59 s"),
        (3600, "1 h 0 min"),
        (86_399, "23 h 59 min"),
        (90_000, "1 d 1 h"),
        (-1.5, "-1.5 s"),
    ],
)
def test_span(seconds: float, text: str) -> None:
    assert display.span(timedelta(seconds=seconds)) == text


@pytest.mark.parametrize(
    ("show", "text"),
    [(display.ago, "in 5.0 s"), (display.stamp, "2026-11-22 12:00:05.000")],
)
def test_moments(show: Callable[[Any], str], text: str) -> None:
    with clock.fixed(NOON):
        assert show(NOON + timedelta(seconds=5)) == text
