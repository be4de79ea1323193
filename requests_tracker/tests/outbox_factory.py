"""Events in the outbox, for the tests of those who publish them."""

from __future__ import annotations

from django.utils import timezone

from requests_tracker.models import OutboxEvent, Request
from requests_tracker.status import Status


def outbox_event(
    zone: str, sequence: int | None, *, published: bool = False
) -> OutboxEvent:
    """Return an event: ``completed`` with a sequence, ``rejected`` without."""
    now = timezone.now()
    status = Status.REJECTED if sequence is None else Status.COMPLETED
    request = Request.objects.create(
        status=status,
        source="rest",
        api_version="v2",
        action="changeset",
        requester="team-web",
        zone=zone,
        correlation_id="build-42",
        received_at=now,
        completed_at=now,
    )
    return OutboxEvent.objects.create(
        request=request,
        type=status,
        zone=zone,
        event_seq=sequence,
        created_at=now,
        published_at=now if published else None,
    )
