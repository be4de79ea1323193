"""What update servers hold beside what was applied, and what is done about it."""

from __future__ import annotations

from typing import Any

from django.db import models

from dns_records.models.zone import Zone
from requests_tracker.models import Request


class DriftKind(models.TextChoices):
    """How an RRset differs at the update server from what was applied."""

    MISSING = "missing"
    DIFFERENT = "different"
    EXTRA = "extra"


class Drift(models.Model):
    """An RRset that an audit found not as it was left.

    It is open until an audit finds it right, or a request has seen to it: the one in
    ``resolving`` does now, or has done so at ``resolved_at``. ``touched_by`` is the
    last request that wrote the RRset before. ``seen_at`` is when the audit that saw it
    last had begun.
    """

    id = models.BigAutoField(primary_key=True)
    zone = models.ForeignKey(Zone, on_delete=models.CASCADE, related_name="drift")
    name = models.CharField(max_length=1024)
    type = models.CharField(max_length=20)
    kind = models.CharField(max_length=10, choices=DriftKind.choices)
    wanted: models.JSONField[Any, dict[str, Any] | None] = models.JSONField(null=True)
    served: models.JSONField[Any, dict[str, Any] | None] = models.JSONField(null=True)
    found_at = models.DateTimeField()
    seen_at = models.DateTimeField()
    touched_by = models.ForeignKey(
        Request, null=True, blank=True, on_delete=models.SET_NULL, related_name="+"
    )
    resolving = models.ForeignKey(
        Request, null=True, blank=True, on_delete=models.SET_NULL, related_name="+"
    )
    resolved_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        """One open row per RRset; lists page by id within a zone."""

        verbose_name_plural = "drift"
        indexes = [models.Index(fields=["zone", "id"], name="drift_zone")]
        constraints = [
            models.UniqueConstraint(
                fields=["zone", "name", "type"],
                name="drift_open_unique",
                condition=models.Q(resolved_at__isnull=True),
            )
        ]

    def __str__(self) -> str:
        texts = [
            f"{image['ttl']} {' '.join(image['records'])}" if image else "nothing"
            for image in (self.wanted, self.served)
        ]
        return (
            f"{self.kind:<9} {self.name} {self.type}: "
            f"wanted {texts[0]}, served {texts[1]}"
        )


class AuditKind(models.TextChoices):
    """What a request has a worker do about drift."""

    AUDIT = "audit"
    RESTORE = "restore"
    ADOPT = "adopt"


class AuditTask(models.Model):
    """A tracked audit, or resolution of drift, that is not done yet.

    ``submitted`` is set once all change sets of a restore are accepted: from then on
    their ends are waited for. The row goes when the request is final.
    """

    request = models.OneToOneField(
        Request, on_delete=models.CASCADE, primary_key=True, related_name="+"
    )
    zone = models.ForeignKey(Zone, on_delete=models.CASCADE, related_name="+")
    kind = models.CharField(max_length=10, choices=AuditKind.choices)
    due_at = models.DateTimeField()
    submitted = models.BooleanField(default=False)

    class Meta:
        """The oldest first."""

        ordering = ["request_id"]

    def __str__(self) -> str:
        return f"{self.kind} of {self.zone_id}"
