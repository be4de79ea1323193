"""A provider that lets slip a secret: it is in no row, no answer and no page."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from django.apps import apps
from django.test import Client
from django.urls import reverse
from rest_framework.test import APIClient

from dns_records.models import Zone
from dns_records.providers.errors import (
    Misconfigured,
    OutcomeUnknown,
    PermanentRefusal,
    ProviderError,
    Unreachable,
)
from dns_records.providers.memory import MemoryProvider
from dns_records.services import delivery
from dns_records.tests.world import add, states
from dnsorch.tests import planted
from dnsorch.tokens import services as tokens
from requests_tracker.models import Request

MARK = "pl4nted-secret"


@pytest.fixture(autouse=True)
def _known(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Let this process know the secret."""
    with planted.known(monkeypatch, MARK):
        yield


def texts() -> Iterator[tuple[str, str]]:
    """Yield every value of every row of the database, with its table."""
    # Dead letters are Kafka's: their model has no table.
    for model in (each for each in apps.get_models() if each._meta.managed):
        for row in model._default_manager.values():
            for value in row.values():
                yield model._meta.label, str(value)


@pytest.mark.parametrize(
    ("kind", "state"),
    [
        (Unreachable, "queued"),
        (Misconfigured, "queued"),
        (OutcomeUnknown, "provisioning"),
        (PermanentRefusal, "failed"),
    ],
)
def test_what_a_provider_says_is_kept_without_it(
    zone: Zone,
    admin_client: Client,
    monkeypatch: pytest.MonkeyPatch,
    kind: type[ProviderError],
    state: str,
) -> None:
    apply = MemoryProvider._apply

    def slip(self: MemoryProvider, zone: str, changes: Any, fence: Any) -> Any:
        if changes:
            raise kind(f"the key {MARK} is not liked")
        return apply(self, zone, changes, fence)

    monkeypatch.setattr(MemoryProvider, "_apply", slip)
    request = add("www", "192.0.2.1")
    delivery.drain(zone.pk)
    assert states() == [state]

    assert [label for label, text in texts() if MARK in text] == []
    assert [label for label, text in texts() if "the key [redacted] is" in text]
    api = APIClient()
    token = tokens.issue(owner="team-web").text
    api.credentials(HTTP_AUTHORIZATION=f"Bearer {token}")
    for path in (f"requests/{request.pk}/", f"requests/{request.pk}/events/"):
        answer = api.get(f"/api/v2/{path}")
        assert answer.status_code == 200
        assert MARK not in answer.content.decode()
    (shown,) = Request.objects.all()
    page = admin_client.get(
        reverse("admin:requests_tracker_request_change", args=[shown.pk])
    ).content.decode()
    assert MARK not in page
    assert "[redacted]" in page
