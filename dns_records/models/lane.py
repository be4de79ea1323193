"""The lane of a zone and the UPDATE messages that went through it."""

from __future__ import annotations

from typing import Any

from django.db import models

from dns_records.models.zone import Zone


class LaneState(models.TextChoices):
    """Whether the update server takes our messages."""

    OK = "ok"
    UNAVAILABLE = "unavailable"
    MISCONFIGURED = "misconfigured"


class Lane(models.Model):
    """The one way from the wanted state of a zone to its update server.

    Whoever holds the lease may write. ``epoch`` rises with each lease and names its
    holder; ``batch_number`` rises with each message and is never reset.

    ``reconcile_at`` is set while the zone has to be compared with its update server;
    ``last_audit`` is what the last comparison found. At ``audit_at`` it is compared and
    what differs is noted as drift; one process does so until ``audit_claim``. At
    ``watch_at`` its serial is looked at. ``suspect`` is set while other hands are known
    to have written to the zone.
    """

    zone = models.OneToOneField(
        Zone, on_delete=models.CASCADE, primary_key=True, related_name="lane"
    )
    epoch = models.BigIntegerField(default=0)
    holder = models.CharField(max_length=255, blank=True)
    lease_expires_at = models.DateTimeField(null=True, blank=True)
    dirty = models.BooleanField(default=False)
    batch_number = models.BigIntegerField(default=0)
    # The marker RR that the update server holds; epoch 0: not known.
    marker_epoch = models.BigIntegerField(default=0)
    marker_number = models.BigIntegerField(default=0)
    state = models.CharField(
        max_length=15, choices=LaneState.choices, default=LaneState.OK
    )
    failures = models.PositiveIntegerField(default=0)
    not_before = models.DateTimeField(null=True, blank=True)
    last_error = models.TextField(blank=True)
    reconcile_at = models.DateTimeField(null=True, blank=True)
    # Why, and in whose name: {"reason", "requester", "source"}.
    reconcile_order: models.JSONField[Any, dict[str, str] | None] = models.JSONField(
        null=True, blank=True
    )
    last_audit: models.JSONField[Any, dict[str, Any] | None] = models.JSONField(
        null=True, blank=True
    )
    audit_at = models.DateTimeField(null=True, blank=True)
    audit_reason = models.TextField(blank=True, default="", db_default="")
    audit_claim = models.DateTimeField(null=True, blank=True)
    watch_at = models.DateTimeField(null=True, blank=True)
    suspect = models.BooleanField(default=False, db_default=False)

    def __str__(self) -> str:
        return f"lane of {self.zone_id}"


class BatchStatus(models.TextChoices):
    """Whether it is decided what a message did."""

    SENT = "sent"
    APPLIED = "applied"
    NOT_APPLIED = "not_applied"


class Batch(models.Model):
    """One DNS UPDATE message, written before it is sent (RFC 2136).

    Every message on the wire has a row, and no number is used for two messages.

    Of a zone without a marker: until ``late_until`` a copy of the message may still
    reach the server; at ``recheck_at`` its RRsets are looked at once more.
    """

    lane = models.ForeignKey(Lane, on_delete=models.CASCADE, related_name="batches")
    epoch = models.BigIntegerField()
    number = models.BigIntegerField()
    status = models.CharField(
        max_length=15, choices=BatchStatus.choices, default=BatchStatus.SENT
    )
    requests = models.PositiveIntegerField()
    rrsets = models.PositiveIntegerField()
    octets = models.PositiveIntegerField(null=True)
    attempts = models.PositiveIntegerField(default=0)
    rcode = models.CharField(max_length=20, blank=True)
    error = models.TextField(blank=True)
    sent_at = models.DateTimeField()
    decided_at = models.DateTimeField(null=True, blank=True)
    late_until = models.DateTimeField(null=True, blank=True)
    recheck_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        """One number per message, and one undecided message per lane."""

        verbose_name_plural = "batches"
        indexes = [
            models.Index(
                fields=["recheck_at"],
                name="batch_to_recheck",
                condition=models.Q(recheck_at__isnull=False),
            )
        ]
        constraints = [
            models.UniqueConstraint(
                fields=["lane", "number"], name="batch_lane_number_unique"
            ),
            models.UniqueConstraint(
                fields=["lane"],
                name="batch_one_undecided",
                condition=models.Q(status="sent"),
            ),
        ]

    def __str__(self) -> str:
        return f"{self.epoch}.{self.number} {self.status}"

    @property
    def is_restoration(self) -> bool:
        """Whether it puts back what was there before an earlier batch."""
        return not self.requests
