"""Processes that count together."""

from __future__ import annotations

import os
from types import SimpleNamespace

import pytest

from dnsorch import metrics


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
