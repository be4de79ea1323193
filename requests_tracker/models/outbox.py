"""Outcomes that wait to be published to Kafka."""

from __future__ import annotations

from django.db import models

from requests_tracker.models.request import Request


class OutboxEvent(models.Model):
    """The final state of a request, written by the transaction that reached it.

    ``event_seq`` orders the outcomes of one zone; a rejection has none.
    """

    id = models.BigAutoField(primary_key=True)
    # A constraint below has its index.
    request = models.ForeignKey(
        Request, on_delete=models.CASCADE, related_name="+", db_index=False
    )
    type = models.CharField(max_length=20)
    zone = models.CharField(max_length=1024, blank=True)
    event_seq = models.BigIntegerField(null=True)
    created_at = models.DateTimeField()
    published_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        """One event per request; the queue is what is not published."""

        constraints = [
            models.UniqueConstraint(fields=["request"], name="outbox_request_unique")
        ]
        indexes = [
            models.Index(
                fields=["zone", "event_seq", "id"],
                name="outbox_unpublished",
                condition=models.Q(published_at__isnull=True),
            )
        ]

    def __str__(self) -> str:
        return f"{self.request_id} {self.type}"

    @property
    def key(self) -> str:
        """The key of the Kafka message: one zone keeps its order."""
        return self.zone or str(self.request_id)


class PublisherLease(models.Model):
    """Who publishes now; others stand by."""

    name = models.CharField(max_length=50, primary_key=True)
    token = models.BigIntegerField(default=0)
    holder = models.CharField(max_length=255, blank=True)
    expires_at = models.DateTimeField(null=True)

    def __str__(self) -> str:
        return f"{self.name}: {self.holder}"
