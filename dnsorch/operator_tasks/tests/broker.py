"""A broker that only remembers the operator tasks that were published."""

from __future__ import annotations

from typing import Any

import pytest
from kombu.exceptions import OperationalError

from dnsorch.operator_tasks import services


class Broker:
    """Stands for the Celery application that operator tasks are published with."""

    def __init__(self) -> None:
        """Start with nothing published."""
        self.sent: list[tuple[str, dict[str, Any]]] = []
        self.options: list[dict[str, Any]] = []
        self.error: Exception | None = None

    def send_task(self, name: str, *, kwargs: dict[str, Any], **options: Any) -> None:
        """Keep a task, or fail as a broker that is down does."""
        if self.error is not None:
            raise self.error
        self.sent.append((name, kwargs))
        self.options.append(options)

    def go_down(self) -> None:
        """Take nothing more."""
        self.error = OperationalError("connection refused")


def use(monkeypatch: pytest.MonkeyPatch) -> Broker:
    """Put a broker in the place of the real one."""
    broker = Broker()
    monkeypatch.setattr(services, "current_app", broker)
    return broker
