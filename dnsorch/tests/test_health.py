"""Probes and metrics."""

from __future__ import annotations

from threading import Event

import pytest
from celery import current_app
from django.db import OperationalError, connection
from django.db.migrations.recorder import MigrationRecorder
from django.test import Client

from dnsorch import health
from dnsorch.health import Prober, check_broker


@pytest.fixture(autouse=True)
def prober(monkeypatch: pytest.MonkeyPatch) -> Prober:
    """Put a prober there that has asked nothing yet, and a broker that answers."""
    fresh = Prober()
    monkeypatch.setattr(health, "prober", fresh)
    monkeypatch.setattr(health, "check_broker", lambda: "ok")
    return fresh


def checks(database: str, migrations: str, broker: str = "ok") -> dict[str, object]:
    """Return the body of ``/readyz``."""
    ready = (database, migrations) == ("ok", "ok")
    return {
        "status": "ok" if ready else "unready",
        "checks": {"database": database, "migrations": migrations, "broker": broker},
    }


def test_livez_asks_nobody() -> None:
    answer = Client().get("/livez")
    assert (answer.status_code, answer.json()) == (200, {"status": "ok"})
    assert "no-store" in answer.headers["Cache-Control"]


@pytest.mark.parametrize(
    ("database", "broker", "status", "body"),
    [
        ("ok/ok", "ok", 200, checks("ok", "ok")),
        ("ok/ok", "unavailable", 200, checks("ok", "ok", "unavailable")),
        ("ok/missing", "ok", 503, checks("ok", "missing")),
        ("unavailable", "ok", 503, checks("unavailable", "unknown")),
    ],
)
def test_readyz_needs_the_database_and_reports_the_broker(
    monkeypatch: pytest.MonkeyPatch,
    database: str,
    broker: str,
    status: int,
    body: dict[str, object],
) -> None:
    monkeypatch.setattr(health, "check_database", lambda: database)
    monkeypatch.setattr(health, "check_broker", lambda: broker)
    answer = Client().get("/readyz")
    assert (answer.status_code, answer.json()) == (status, body)


def test_a_part_that_hangs_is_told_in_time_and_not_asked_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    asked, release = [], Event()

    def hang() -> str:
        asked.append(1)
        release.wait(10)
        return "ok/ok"

    monkeypatch.setattr(health, "check_database", hang)
    monkeypatch.setattr(health, "TIMEOUT_S", 0.01)
    monkeypatch.setattr(health, "REUSED_FOR_S", 0.0)
    for _ in range(3):
        answer = Client().get("/readyz")
        assert (answer.status_code, answer.json()) == (
            503,
            checks("timeout", "unknown"),
        )
    assert asked == [1]
    monkeypatch.setattr(health, "TIMEOUT_S", 10.0)
    release.set()
    assert Client().get("/readyz").status_code == 200


def test_a_flood_of_probes_is_one_question(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []

    def count() -> str:
        asked.append(1)
        return "ok/ok"

    monkeypatch.setattr(health, "check_database", count)
    monkeypatch.setattr(health, "REUSED_FOR_S", 60.0)
    assert {Client().get("/readyz").status_code for _ in range(5)} == {200}
    assert asked == [1]


@pytest.mark.django_db(transaction=True)
def test_the_database_is_really_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    assert health.check_database() == "ok/ok"
    recorder = MigrationRecorder(connection)
    recorder.record_unapplied("tokens", "0001_initial")
    try:
        assert health.check_database() == "ok/missing"
    finally:
        recorder.record_applied("tokens", "0001_initial")

    def refuse() -> None:
        raise OperationalError("connection refused")

    monkeypatch.setattr(connection, "ensure_connection", refuse)
    assert health.check_database() == "unavailable"


@pytest.mark.parametrize(
    ("url", "state"),
    [("memory://", "ok"), ("redis://127.0.0.1:1/0", "unavailable")],
)
def test_the_broker_is_really_asked(
    monkeypatch: pytest.MonkeyPatch, url: str, state: str
) -> None:
    # Celery itself prefers the variable to its configuration.
    monkeypatch.delenv("CELERY_BROKER_URL", raising=False)
    monkeypatch.setattr(current_app.conf, "broker_url", url)
    assert check_broker() == state


@pytest.mark.parametrize(
    ("accept", "content_type"),
    [
        ("*/*", "text/plain; version=0.0.4; charset=utf-8"),
        ("application/openmetrics-text; version=1.0.0", "application/openmetrics-text"),
    ],
)
@pytest.mark.django_db
def test_metrics_come_in_the_format_asked_for(accept: str, content_type: str) -> None:
    answer = Client().get("/metrics", headers={"Accept": accept})
    assert answer.status_code == 200
    assert answer.headers["Content-Type"].startswith(content_type)
    assert b"# TYPE dnsorch_http_request_seconds histogram" in answer.content


@pytest.mark.parametrize("path", ["/livez", "/readyz", "/metrics"])
def test_probes_only_read(path: str) -> None:
    assert Client().post(path).status_code == 405
