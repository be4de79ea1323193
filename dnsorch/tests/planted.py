"""A secret that this process has read, for tests of where it must not turn up."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from dnsorch import redaction, secrets


@contextmanager
def known(monkeypatch: pytest.MonkeyPatch, value: str) -> Iterator[None]:
    """Let this process read the secret ``value``, and forget it again."""
    monkeypatch.setattr(redaction, "_values", redaction._values)
    monkeypatch.setattr(redaction, "_forms", redaction._forms)
    monkeypatch.setenv("PLANTED", value)
    secrets.forget()
    secrets.get("env:PLANTED")
    yield
    secrets.forget()
