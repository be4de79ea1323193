"""A broker that only remembers, and a zone in memory."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import pytest
from kombu.exceptions import OperationalError

from dns_records.models import Zone
from dns_records.providers import memory
from dns_records.services import wake
from dns_records.tests import world


@dataclass
class Broker:
    """Stands for the Celery application that wake-ups are published with."""

    sent: list[tuple[str, int]] = field(default_factory=list)
    error: Exception | None = None
    tries: int = 0

    def send_task(self, name: str, *, args: list[int], **options: Any) -> None:
        """Keep a task, or fail as a broker that is down does."""
        assert options == {"retry": False}
        self.tries += 1
        if self.error is not None:
            raise self.error
        self.sent.append((name, args[0]))

    def go_down(self) -> None:
        """Take nothing more."""
        self.error = OperationalError("connection refused")


@pytest.fixture(autouse=True)
def broker(monkeypatch: pytest.MonkeyPatch) -> Broker:
    """Put a broker of the test's own in the place of the real one."""
    broker = Broker()
    monkeypatch.setattr(wake, "current_app", broker)
    monkeypatch.setattr(wake, "_paused_until", 0.0)
    return broker


@pytest.fixture
def zone(db: None) -> Zone:
    """A zone that nobody is asked about afterwards."""
    return world.make_zone()


@pytest.fixture
def store(zone: Zone) -> memory.Store:
    """The DNS service that the zone is on."""
    return world.store_of(zone)
