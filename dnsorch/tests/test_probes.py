"""The small server of the loops, and what a worker tells it."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import httpx
import pytest
from pytest_django.fixtures import Settings

from dns_records.management.commands import sweep
from dns_records.services.sweep import Sweeper
from dnsorch import probes, worker
from dnsorch.celery import app
from dnsorch.probes import Heartbeat
from dnsorch.tests.e2e.harness import free_ports
from dnsorch.worker import WorkerProbes


def test_probes_follow_the_heartbeat() -> None:
    heartbeat = Heartbeat("test")
    (port,) = free_ports(1)
    url = f"http://127.0.0.1:{port}"
    with probes.serving(heartbeat, port):
        with httpx.Client(base_url=url, trust_env=False) as get:
            assert get.get("/livez").status_code == 200
            assert get.get("/readyz").status_code == 503
            heartbeat.beat(ready=True)
            ready = get.get("/readyz")
            assert (ready.status_code, ready.json()) == (200, {"status": "ok"})
            page = get.get("/metrics")
            assert page.headers["Content-Type"].startswith("text/plain")
            assert 'dnsorch_loop_ready{loop="test"} 1.0' in page.text
            heartbeat.beat(ready=False)
            assert get.get("/readyz").status_code == 503
            assert get.get("/elsewhere").status_code == 404
    with pytest.raises(httpx.ConnectError):
        httpx.get(f"{url}/livez", trust_env=False)


def test_a_port_of_0_serves_nothing() -> None:
    with probes.serving(Heartbeat("test"), 0):
        pass


def test_a_loop_that_hangs_is_neither_alive_nor_ready() -> None:
    heartbeat = Heartbeat("test", patience_s=0.0)
    heartbeat.beat(ready=True)
    assert not heartbeat.alive
    assert not heartbeat.ready


def test_a_worker_is_ready_with_its_broker_and_alive_without() -> None:
    heartbeat = Heartbeat("worker")
    subject = WorkerProbes(heartbeat)
    assert state(subject) == (True, False)
    subject.beat()
    assert state(subject) == (True, True)
    subject.disconnect()
    assert state(subject) == (True, False)
    still = WorkerProbes(Heartbeat("worker", patience_s=0.0))
    still.beat()
    assert state(still) == (False, False)
    still.disconnect()
    assert state(still) == (True, False)


def state(subject: WorkerProbes) -> tuple[bool, bool]:
    """Return whether it is alive and whether it is ready."""
    return subject.alive, subject.ready


def test_the_worker_beats_between_losses_of_the_broker(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    subject = WorkerProbes(Heartbeat("worker"))
    monkeypatch.setattr(worker, "_probes", subject)
    timed: list[tuple[float, Callable[[], None]]] = []
    consumer = SimpleNamespace(
        timer=SimpleNamespace(call_repeatedly=lambda *what: timed.append(what)),
        steps=[],
    )
    step = worker.Beat(consumer)
    step.start(consumer)
    assert state(subject) == (True, True)
    assert timed == [(worker.BEAT_S, subject.beat)]
    step.stop(consumer)
    assert state(subject) == (True, False)
    assert worker.Beat in app.steps["consumer"]


@pytest.mark.parametrize("fails", [False, True])
def test_the_sweep_is_ready_if_its_last_sweep_went_well(
    fails: bool, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    (settings.DNSORCH_METRICS_PORT,) = free_ports(1)
    url = f"http://127.0.0.1:{settings.DNSORCH_METRICS_PORT}"
    seen: list[int] = []

    class Once(Sweeper):
        """Sweeps, or cannot."""

        def once(self) -> int:
            """Sweep."""
            if fails:
                raise ValueError("no such table")
            return 0

    class Pause(threading.Event):
        """Asks the probes in the pause after the first sweep, and stops."""

        def wait(self, timeout: float | None = None) -> bool:
            """Ask the probes."""
            for path in ("/livez", "/readyz"):
                seen.append(httpx.get(url + path, trust_env=False).status_code)
            self.set()
            return True

    monkeypatch.setattr(sweep, "close_old_connections", lambda: None)
    sweep.loop(Once(), Pause(), 1.0)
    assert seen == [200, 503 if fails else 200]


def test_a_process_of_the_pool_leaves_the_port(monkeypatch: pytest.MonkeyPatch) -> None:
    closed: list[str] = []

    def server(name: str) -> Any:
        return SimpleNamespace(
            socket=SimpleNamespace(close=lambda: closed.append(name))
        )

    servers = {os.getpid(): server("ours"), os.getpid() + 1: server("inherited")}
    monkeypatch.setattr(worker, "_servers", servers)
    worker.leave_port()
    assert closed == ["inherited"]
