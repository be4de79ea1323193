"""Processes that count together."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest
from django.conf import settings

from dnsorch import metrics
from dnsorch.tests.e2e.harness import variables

# Three processes after each other in two places of a pool: 2 files hold it all.
COUNT = """
import os, sys
import django
django.setup()
from dnsorch import metrics
from requests_tracker.metrics import REQUESTS_FINAL

def child(place):
    process = os.fork()
    if process:
        os.waitpid(process, 0)
        return
    metrics.current_process().index = place
    REQUESTS_FINAL.labels("completed", "rest").inc()
    os._exit(0)

for place in (0, 1, 0):
    child(place)
sys.stdout.buffer.write(metrics.page(metrics.registry(), "")[0])
"""


def test_processes_of_a_pool_count_together(tmp_path: Path) -> None:
    directory = tmp_path / "metrics"
    done = subprocess.run(
        [sys.executable, "-c", COUNT],
        cwd=settings.BASE_DIR,
        env=variables(tmp_path) | {"PROMETHEUS_MULTIPROC_DIR": str(directory)},
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    counted = [line for line in done.stdout.splitlines() if "requests_final" in line]
    sample = 'dnsorch_requests_final_total{source="rest",status="completed"} 3.0'
    assert sample in counted
    places = {path.name for path in directory.glob("counter_place-*.db")}
    assert places == {"counter_place-0.db", "counter_place-1.db"}


@pytest.mark.parametrize(
    ("process", "name"),
    [
        (SimpleNamespace(index=3), "place-3"),
        (SimpleNamespace(), str(os.getpid())),
    ],
)
def test_what_tells_processes_apart(
    monkeypatch: pytest.MonkeyPatch, process: object, name: str
) -> None:
    monkeypatch.setattr(metrics, "current_process", lambda: process)
    assert metrics.process_name() == name
