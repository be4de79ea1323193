"""Processes that count together."""

from __future__ import annotations

import os
from types import SimpleNamespace

import pytest

from dnsorch import metrics


@pytest.mark.parametrize("index", [3, None], ids=["in a pool", "by itself"])
def test_what_tells_processes_apart(
    monkeypatch: pytest.MonkeyPatch, index: int | None
) -> None:
    process = SimpleNamespace() if index is None else SimpleNamespace(index=index)
    name = str(os.getpid()) if index is None else f"place-{index}"
    monkeypatch.setattr(metrics, "current_process", lambda: process)
    assert metrics.process_name() == name
