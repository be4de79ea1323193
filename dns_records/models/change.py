"""Changes: what was asked for, in the order in which it was accepted."""

from __future__ import annotations

from typing import Any

from django.db import models

from dns_records.models.lane import Batch
from dns_records.models.rrset import OwnerName, RRset
from dns_records.models.zone import Zone
from requests_tracker.models import Request


class Action(models.TextChoices):
    """What a change does to its RRset.

    ``put`` is an RRset written whole whether it is there or not; clients see it as
    ``replace``.
    """

    CREATE = "create"
    REPLACE = "replace"
    DELETE = "delete"
    ADD = "add"
    REMOVE = "remove"
    PUT = "put"


class ChangeStatus(models.TextChoices):
    """Where a change stands."""

    PENDING = "pending"
    SENT = "sent"
    APPLIED = "applied"
    VERIFIED = "verified"
    SUPERSEDED = "superseded"
    FAILED = "failed"
    CANCELLED = "cancelled"


class Change(models.Model):
    """One operation on one RRset, with what it found and what it leaves.

    ``id`` is taken after the locks of its owner names: per name it is the order of
    acceptance, and the order in which changes reach DNS. ``next_check_at`` is set
    while name servers still have to be asked for it.
    """

    id = models.BigAutoField(primary_key=True)
    request = models.ForeignKey(
        Request, on_delete=models.CASCADE, related_name="changes"
    )
    zone = models.ForeignKey(Zone, on_delete=models.CASCADE, related_name="changes")
    owner = models.ForeignKey(OwnerName, on_delete=models.CASCADE, related_name="+")
    # Its index would be the beginning of another one.
    rrset = models.ForeignKey(
        RRset, on_delete=models.CASCADE, related_name="changes", db_index=False
    )
    name = models.CharField(max_length=1024)
    type = models.CharField(max_length=20)
    action = models.CharField(max_length=10, choices=Action.choices)
    arguments: models.JSONField[Any, dict[str, Any]] = models.JSONField(default=dict)
    before: models.JSONField[Any, dict[str, Any] | None] = models.JSONField(null=True)
    after: models.JSONField[Any, dict[str, Any] | None] = models.JSONField(null=True)
    version = models.BigIntegerField()
    status = models.CharField(
        max_length=15, choices=ChangeStatus.choices, default=ChangeStatus.PENDING
    )
    superseded_by = models.ForeignKey(
        "self",
        null=True,
        blank=True,
        on_delete=models.SET_NULL,
        related_name="+",
        db_index=False,
    )
    batch = models.ForeignKey(
        Batch, null=True, blank=True, on_delete=models.SET_NULL, related_name="changes"
    )
    applied_at = models.DateTimeField(null=True, blank=True)
    next_check_at = models.DateTimeField(null=True, blank=True)
    check_deadline_at = models.DateTimeField(null=True, blank=True)
    nameservers: models.JSONField[Any, list[dict[str, Any]]] = models.JSONField(
        default=list, blank=True
    )

    class Meta:
        """Partial indexes serve the queues: what is pending, what is to be checked."""

        ordering = ["id"]
        indexes = [
            models.Index(
                fields=["zone", "id"],
                name="change_pending",
                condition=models.Q(status__in=["pending", "sent"]),
            ),
            models.Index(
                fields=["next_check_at"],
                name="change_to_check",
                condition=models.Q(next_check_at__isnull=False),
            ),
            models.Index(fields=["rrset", "id"], name="change_rrset"),
            models.Index(fields=["name"], name="change_name"),
            # Most have none, and a row that moves is written into every index.
            models.Index(
                fields=["superseded_by"],
                name="change_superseded_by",
                condition=models.Q(superseded_by__isnull=False),
            ),
        ]

    def __str__(self) -> str:
        return f"{self.action} {self.name} {self.type}"
