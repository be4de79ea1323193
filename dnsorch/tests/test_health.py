"""Probes and metrics."""

from __future__ import annotations

import socket
from threading import Event

import pytest
from celery import current_app
from django.db import OperationalError, connection
from django.db.migrations.recorder import MigrationRecorder
from django.test import Client
from pytest_django.fixtures import Settings

from dns_records.models import Backend
from dnsorch import clock, health
from dnsorch.health import Database, Prober, check_broker, check_kafka


@pytest.fixture(autouse=True)
def prober(monkeypatch: pytest.MonkeyPatch) -> Prober:
    """Put a prober there that has asked nothing yet, and a broker that answers."""
    fresh = Prober()
    monkeypatch.setattr(health, "prober", fresh)
    monkeypatch.setattr(health, "check_broker", lambda: "ok")
    monkeypatch.setattr(health, "check_kafka", lambda: "ok")
    return fresh


def checks(
    database: str,
    migrations: str,
    broker: str = "ok",
    kafka: str = "ok",
    **backends: str,
) -> dict[str, object]:
    """Return the body of ``/readyz``."""
    ready = (database, migrations) == ("ok", "ok")
    return {
        "status": "ok" if ready else "unready",
        "checks": {
            "database": database,
            "migrations": migrations,
            "broker": broker,
            "kafka": kafka,
            "backends": backends,
        },
    }


def test_livez_asks_nobody() -> None:
    answer = Client().get("/livez")
    assert (answer.status_code, answer.json()) == (200, {"status": "ok"})
    assert "no-store" in answer.headers["Cache-Control"]


SILENT = {"eu": "left_alone", "us": "ok"}


@pytest.mark.parametrize(
    ("database", "broker", "kafka", "status", "body"),
    [
        (Database("ok", "ok"), "ok", "ok", 200, checks("ok", "ok")),
        (
            Database("ok", "ok", SILENT),
            "unavailable",
            "unavailable",
            200,
            checks("ok", "ok", "unavailable", "unavailable", **SILENT),
        ),
        (Database("ok", "missing"), "ok", "ok", 503, checks("ok", "missing")),
        (Database(), "ok", "ok", 503, checks("unavailable", "unknown")),
    ],
)
def test_readyz_needs_the_database_and_reports_the_rest(
    monkeypatch: pytest.MonkeyPatch,
    database: Database,
    broker: str,
    kafka: str,
    status: int,
    body: dict[str, object],
) -> None:
    monkeypatch.setattr(health, "check_database", lambda: database)
    monkeypatch.setattr(health, "check_broker", lambda: broker)
    monkeypatch.setattr(health, "check_kafka", lambda: kafka)
    answer = Client().get("/readyz")
    assert (answer.status_code, answer.json()) == (status, body)


def test_a_part_that_hangs_is_told_in_time_and_not_asked_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    asked, release = [], Event()

    def hang() -> Database:
        asked.append(1)
        release.wait(10)
        return Database("ok", "ok")

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

    def count() -> Database:
        asked.append(1)
        return Database("ok", "ok")

    monkeypatch.setattr(health, "check_database", count)
    monkeypatch.setattr(health, "REUSED_FOR_S", 60.0)
    assert {Client().get("/readyz").status_code for _ in range(5)} == {200}
    assert asked == [1]


@pytest.mark.django_db(transaction=True)
def test_the_database_is_really_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("us", "eu", "asia"):
        Backend.objects.create(name=name, driver="memory", secret_reference="env:KEY")
    Backend.objects.filter(name="us").update(not_before=clock.now())
    monkeypatch.setattr(health, "MAX_BACKENDS", 2)
    found = health.check_database()
    assert found == Database("ok", "ok", {"us": "left_alone", "asia": "ok"})
    assert list(found.backends) == ["us", "asia"]
    recorder = MigrationRecorder(connection)
    recorder.record_unapplied("tokens", "0001_initial")
    try:
        assert health.check_database() == Database("ok", "missing")
    finally:
        recorder.record_applied("tokens", "0001_initial")

    def refuse() -> None:
        raise OperationalError("connection refused")

    monkeypatch.setattr(connection, "ensure_connection", refuse)
    assert health.check_database() == Database("unavailable", "unknown")


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


def test_kafka_is_really_asked(settings: Settings) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        settings.KAFKA_BOOTSTRAP_SERVERS = f"nonsense,127.0.0.1:1, 127.0.0.1:{port}"
        assert check_kafka() == "ok"
    assert check_kafka() == "unavailable"


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
