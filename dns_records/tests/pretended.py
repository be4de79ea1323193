"""Pretended name servers, and zones that are verified at them."""

from __future__ import annotations

import threading
from datetime import datetime
from typing import Any

from dns_records.models import Change, Zone
from dns_records.nameservers import Answer, Question, Report
from dns_records.services import verification
from dns_records.tests.world import make_zone
from dnsorch import clock
from requests_tracker.models import Request

ONE, TWO, THREE = "192.0.2.53:53", "192.0.2.54:53", "192.0.2.55:53"
WWW = Question("www.example.test.", "A")


class Servers:
    """Pretended name servers, and what was asked of them."""

    def __init__(self) -> None:
        """Start with servers that hold nothing, at serial 1."""
        self.holds: dict[str, dict[Question, Answer | None]] = {}
        self.serials: dict[str, int | None] = {}
        self.errors: dict[str, str] = {}
        self.hidden: frozenset[Question] = frozenset()
        self.asked: list[tuple[str, frozenset[Question]]] = []
        self.lock = threading.Lock()

    def serve(self, address: str, *records: str, ttl: int = 300) -> None:
        """Have a server answer for www from now on; without records, with nothing."""
        answer = Answer(ttl, records) if records else None
        self.holds.setdefault(address, {})[WWW] = answer

    def ask(
        self, address: str, zone: str, questions: list[Question], *, timeout: float
    ) -> Report:
        """Answer as a name server does."""
        with self.lock:
            self.asked.append((address, frozenset(questions)))
        if address in self.errors:
            return Report(address, None, {}, self.errors[address])
        held = self.holds.get(address, {})
        return Report(
            address,
            self.serials.get(address, 1),
            {question: held.get(question) for question in questions},
            None,
            self.hidden,
        )

    def whom(self) -> list[str]:
        """Return who was asked since the last time."""
        with self.lock:
            asked, self.asked = self.asked, []
        return sorted(address for address, _ in asked)


def served_by(*addresses: str, **fields: Any) -> Zone:
    """Register a zone that is verified at these name servers."""
    return make_zone(nameservers=list(addresses), **{"verify_policy": "all", **fields})


def seen(request: Request) -> list[list[tuple[str, int | None]]]:
    """Return for each change who shows it, and at which serial."""
    return [
        [(each["address"], each["serial"]) for each in change.nameservers]
        for change in Change.objects.filter(request=request).order_by("id")
    ]


def check_at(zone: Zone, moment: datetime) -> bool:
    """Check at ``moment``."""
    with clock.fixed(moment):
        return verification.check(zone.pk)
