"""What waits, as Prometheus reads it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import timedelta

import pytest
from django.db import OperationalError
from django.test import Client

from dns_records.models import Backend, Zone
from dns_records.providers.errors import Unreachable
from dns_records.providers.memory import Faults
from dns_records.services import breaker, delivery, findings, verification
from dns_records.tests.world import add, hurry, make_zone, put_into_dns, store_of
from dnsorch import clock, state_metrics
from requests_tracker import metrics
from requests_tracker.models import Request

pytestmark = pytest.mark.django_db
SAMPLE = re.compile(r"^(dnsorch_[a-z_]+)(?:\{(.*)\})? (\S+)$", re.MULTILINE)


@pytest.fixture(autouse=True)
def anew() -> Iterator[None]:
    """Read anew in each test, and leave nothing behind."""
    state_metrics.forget()
    yield
    state_metrics.forget()


def page() -> dict[tuple[str, str], float]:
    """Return what is not 0 on the page, by name and labels, as it is now."""
    state_metrics.forget()
    text = Client().get("/metrics").content.decode()
    wanted = ("requests_o", "outbox_", "lanes_", "backend_", "state_", "drift_")
    return {
        (name.removeprefix("dnsorch_"), labels): float(value)
        for name, labels, value in SAMPLE.findall(text)
        if name.removeprefix("dnsorch_").startswith(wanted) and float(value)
    }


READABLE = {("state_readable", ""): 1.0}


def test_where_nothing_waits_everything_is_0(zone: Zone) -> None:
    assert page() == READABLE
    text = Client().get("/metrics").content.decode()
    assert 'dnsorch_requests_open{source="kafka",status="queued"} 0.0' in text
    assert f'dnsorch_backend_left_alone{{backend="{zone.backend.name}"}} 0.0' in text


def test_a_request_s_way_from_the_door_to_the_outbox(zone: Zone) -> None:
    now = clock.now()
    with clock.fixed(now):
        add("www", "192.0.2.1")
    backend = f'backend="{zone.backend.name}"'
    with clock.fixed(now + timedelta(seconds=7)):
        assert page() == READABLE | {
            ("requests_open", 'source="rest",status="queued"'): 1,
            ("lanes_waiting", f'{backend},state="ok"'): 1,
            ("lanes_oldest_seconds", backend): 7,
        }
    delivery.drain(zone.pk)
    assert page() == READABLE | {
        ("requests_open", 'source="rest",status="verifying"'): 1
    }
    done = clock.now() + timedelta(seconds=1)
    with clock.fixed(done):
        verification.check(zone.pk)
    with clock.fixed(done + timedelta(minutes=1)):
        assert page() == READABLE | {
            ("outbox_events", ""): 1,
            ("outbox_oldest_seconds", ""): 60,
        }


def test_zones_of_a_silent_backend(zone: Zone) -> None:
    store_of(zone).faults = Faults(unreachable=True)
    add("www", "192.0.2.1")
    for _ in range(breaker.OPENS_AFTER):
        hurry(zone)
        delivery.drain(zone.pk)
    found = page()
    backend = f'backend="{zone.backend.name}"'
    assert found["backend_left_alone", backend] == 1
    assert found["lanes_waiting", f'{backend},state="unavailable"'] == 1
    breaker.note(Backend.objects.get(), None)
    assert ("backend_left_alone", backend) not in page()


@pytest.mark.leaves_stuck
def test_a_request_past_its_deadline(zone: Zone) -> None:
    request = add("www", "192.0.2.1")
    past = clock.now() - timedelta(seconds=1)
    Request.objects.filter(pk=request.pk).update(deadline_at=past)
    assert page()["requests_overdue", ""] == 1


def test_the_page_comes_without_the_database(monkeypatch: pytest.MonkeyPatch) -> None:
    def away() -> None:
        raise OperationalError("connection refused")

    monkeypatch.setattr(state_metrics, "_readers", [metrics.read, away])
    assert page() == {}
    text = Client().get("/metrics").content.decode()
    assert "dnsorch_state_readable 0.0" in text
    assert "dnsorch_http_request_seconds_count" in text


def test_a_flood_of_questions_is_one_of_answers_only(
    django_assert_num_queries: pytest.FixtureRequest,
) -> None:
    make_zone("other.test.")
    state_metrics.read()
    with django_assert_num_queries(0):  # type: ignore[operator]
        for _ in range(5):
            assert Client().get("/metrics").status_code == 200


def test_a_first_silence_does_not_open_the_breaker(zone: Zone) -> None:
    breaker.note(zone.backend, Unreachable())
    assert page() == READABLE


def test_drift_is_counted_by_kind_and_zone(zone: Zone) -> None:
    add("www", "192.0.2.1")
    add("ftp", "192.0.2.1")
    delivery.drain(zone.pk)
    verification.check(zone.pk)
    store_of(zone).rrsets.pop(("www.example.test.", "A"))
    put_into_dns(zone, "theirs.example.test.", "A", "192.0.2.1")
    findings.note(zone)
    found = {key: count for key, count in page().items() if "drift" in key[0]}
    assert found == {
        ("drift_rrsets", 'kind="missing"'): 1,
        ("drift_rrsets", 'kind="extra"'): 1,
        ("drift_zones", ""): 1,
    }
