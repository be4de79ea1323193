"""Idempotency keys (draft-ietf-httpapi-idempotency-key-header)."""

from __future__ import annotations

from django.db import models

from requests_tracker.models.request import Request, new_id


class IdempotencyKey(models.Model):
    """One key of one owner, what it was used for, and the first answer.

    Committed in the transaction of its request: there is no key without an answer.
    """

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    owner = models.CharField(max_length=255)
    key = models.CharField(max_length=260)
    fingerprint = models.CharField(max_length=64)
    request = models.ForeignKey(
        Request, null=True, on_delete=models.CASCADE, related_name="+"
    )
    response_status = models.PositiveSmallIntegerField(null=True)
    response_body = models.JSONField(null=True)
    response_location = models.CharField(max_length=2048, blank=True)
    created_at = models.DateTimeField()

    class Meta:
        """One key acts once for its owner, whatever the route."""

        constraints = [
            models.UniqueConstraint(
                fields=["owner", "key"], name="idempotency_owner_key_unique"
            )
        ]
        indexes = [models.Index(fields=["created_at"], name="idempotency_created")]

    def __str__(self) -> str:
        return f"{self.owner}: {self.key}"
