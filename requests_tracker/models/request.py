"""A request for a change, and its timeline."""

from __future__ import annotations

import uuid
from datetime import datetime
from typing import Any

from django.db import models
from uuid_utils import compat as uuid7

from requests_tracker.status import FINAL, OPEN, Status


def new_id() -> uuid.UUID:
    """Return a UUIDv7 (RFC 9562 section 5.7), so that ids sort by age."""
    return uuid7.uuid7()


class Source(models.TextChoices):
    """The door a request came through: a property of the token."""

    REST = "rest"
    KAFKA = "kafka"
    ADMIN = "admin"
    COMMAND = "command"
    SCHEDULE = "schedule"


class Step(models.TextChoices):
    """What an event of a timeline tells."""

    RECEIVED = "received"
    REPLAYED = "replayed"
    VALIDATED = "validated"
    REJECTED = "rejected"
    STORED = "stored"
    AWAITING_APPROVAL = "awaiting_approval"
    APPROVED = "approved"
    SCHEDULED = "scheduled"
    ENQUEUED = "enqueued"
    SENT = "sent"
    APPLIED = "applied"
    PROPAGATING = "propagating"
    VERIFIED = "verified"
    SUPERSEDED = "superseded"
    RETRY_SCHEDULED = "retry_scheduled"
    BACKEND_UNAVAILABLE = "backend_unavailable"
    COMPLETED = "completed"
    FAILED = "failed"
    CANCELLED = "cancelled"


class Level(models.TextChoices):
    """How much an event matters to the people who read a timeline."""

    INFO = "info"
    WARNING = "warning"
    ERROR = "error"


class OnFailure(models.TextChoices):
    """What becomes of the parts that were applied when another one fails."""

    KEEP = "keep"
    REVERT = "revert"


class Request(models.Model):
    """One request, from the moment it is received to its final state."""

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    status = models.CharField(max_length=20, choices=Status.choices)
    source = models.CharField(max_length=10, choices=Source.choices)
    api_version = models.CharField(max_length=10)
    action = models.CharField(max_length=20)
    requester = models.CharField(max_length=255)
    on_behalf_of = models.CharField(max_length=255, blank=True)
    zone = models.CharField(max_length=1024, blank=True)
    # Of a request about one record or RRset; a change set of many leaves them empty.
    name = models.CharField(max_length=1024, blank=True)
    type = models.CharField(max_length=20, blank=True)
    value = models.TextField(blank=True)
    ttl = models.BigIntegerField(null=True, blank=True)
    comment = models.TextField(null=True, blank=True)
    # A batch adds its item's number to a key of 255 characters.
    idempotency_key = models.CharField(max_length=260, blank=True)
    correlation_id = models.CharField(max_length=128)
    traceparent = models.CharField(max_length=128, blank=True)
    received_at = models.DateTimeField()
    not_before = models.DateTimeField(null=True, blank=True)
    deadline_at = models.DateTimeField(null=True, blank=True)
    completed_at = models.DateTimeField(null=True, blank=True)
    next_attempt_at = models.DateTimeField(null=True, blank=True)
    attempts = models.PositiveIntegerField(default=0)
    error = models.JSONField(null=True, blank=True)
    error_code = models.CharField(max_length=50, blank=True)
    retry_of = models.ForeignKey(
        "self",
        null=True,
        blank=True,
        on_delete=models.SET_NULL,
        related_name="retries",
        db_index=False,
    )
    revert_of = models.ForeignKey(
        "self",
        null=True,
        blank=True,
        on_delete=models.SET_NULL,
        related_name="reverts",
        db_index=False,
    )
    # A request with parts has no changes of its own: its state follows from theirs.
    part_of = models.ForeignKey(
        "self",
        null=True,
        blank=True,
        on_delete=models.SET_NULL,
        related_name="parts",
        db_index=False,
    )
    # None: it has no parts, or there may be more of them to come.
    parts_expected = models.PositiveIntegerField(null=True, blank=True)
    on_failure = models.CharField(
        max_length=10, blank=True, default="", db_default="", choices=OnFailure.choices
    )
    # The part of the same request that this one puts back.
    compensates = models.OneToOneField(
        "self",
        null=True,
        blank=True,
        on_delete=models.SET_NULL,
        related_name="compensated_by",
    )
    last_sequence = models.PositiveIntegerField(default=0)

    class Meta:
        """Indexes for the filters of the lists, newest first, and for open work."""

        indexes = [
            models.Index(fields=["status", "-id"], name="request_status"),
            models.Index(fields=["zone", "-id"], name="request_zone"),
            models.Index(fields=["source", "-id"], name="request_source"),
            models.Index(fields=["requester", "-id"], name="request_requester"),
            models.Index(fields=["name", "-id"], name="request_name"),
            models.Index(fields=["correlation_id"], name="request_correlation"),
            models.Index(fields=["idempotency_key"], name="request_idempotency_key"),
            models.Index(
                fields=["deadline_at"],
                name="request_open_deadline",
                condition=models.Q(status__in=sorted(OPEN)),
            ),
            models.Index(
                fields=["id"],
                name="request_open_parent",
                condition=models.Q(
                    status__in=sorted(OPEN), parts_expected__isnull=False
                ),
            ),
            # Most are of no other request, and a row that moves is written into every
            # index.
            *(
                models.Index(
                    fields=[of],
                    name=f"request_{of}",
                    condition=models.Q(**{f"{of}__isnull": False}),
                )
                for of in ("retry_of", "revert_of", "part_of")
            ),
            models.Index(
                fields=["not_before", "id"],
                name="request_scheduled",
                condition=models.Q(status=Status.SCHEDULED),
            ),
        ]
        constraints = [
            models.CheckConstraint(
                name="request_final_has_completed_at",
                condition=models.Q(status__in=sorted(FINAL), completed_at__isnull=False)
                | models.Q(status__in=sorted(OPEN), completed_at__isnull=True),
            )
        ]

    #: What was written with it, as long as it is as it was written: to be shown
    #: without a look at the database. Changes and records are those of who carries it
    #: out.
    first_events: list[RequestEvent] | None = None
    first_changes: list[Any] | None = None
    first_records: list[Any] | None = None

    def __str__(self) -> str:
        return f"{self.id} {self.action} {self.zone} ({self.status})"

    @property
    def is_final(self) -> bool:
        """Whether nothing will change any more."""
        return self.status in FINAL

    @property
    def due_since(self) -> datetime:
        """From when on it may be acted on: what it is measured from."""
        return max(self.received_at, self.not_before or self.received_at)

    def log_context(self) -> dict[str, str]:
        """Return what every log line about this request carries."""
        return {
            "request_id": str(self.pk),
            "correlation_id": self.correlation_id,
            "zone": self.zone,
        }


class RequestEvent(models.Model):
    """One step of a request's timeline; written once, never changed."""

    # Its index would be the beginning of another one.
    request = models.ForeignKey(
        Request, on_delete=models.CASCADE, related_name="events", db_index=False
    )
    sequence = models.PositiveIntegerField()
    at = models.DateTimeField()
    step = models.CharField(max_length=20, choices=Step.choices)
    level = models.CharField(max_length=10, choices=Level.choices, default=Level.INFO)
    message = models.TextField()
    data = models.JSONField(default=dict, blank=True)

    class Meta:
        """Events are read by request, in their order."""

        ordering = ["request_id", "sequence"]
        constraints = [
            models.UniqueConstraint(
                fields=["request", "sequence"], name="event_sequence_unique"
            )
        ]

    def __str__(self) -> str:
        return f"{self.sequence} {self.step}: {self.message}"
