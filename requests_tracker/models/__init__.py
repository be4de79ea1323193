"""What the Request Tracker keeps."""

from requests_tracker.models.idempotency import IdempotencyKey
from requests_tracker.models.outbox import OutboxEvent, PublisherLease
from requests_tracker.models.request import (
    OnFailure,
    Request,
    RequestEvent,
    Source,
    Step,
)

__all__ = [
    "IdempotencyKey",
    "OnFailure",
    "OutboxEvent",
    "PublisherLease",
    "Request",
    "RequestEvent",
    "Source",
    "Step",
]
