"""An API token: who calls, in whose name, and for which zones."""

from __future__ import annotations

from datetime import datetime

from django.db import models


class Source(models.TextChoices):
    """The door that requests with a token come through."""

    REST = "rest"
    KAFKA = "kafka"
    ADMIN = "admin"
    COMMAND = "command"
    SCHEDULE = "schedule"


class ApiToken(models.Model):
    """A token of an owner; its text is not kept, only a digest of it.

    An owner may have several tokens: idempotency keys and "my requests" belong to
    the owner, so a token can be replaced without losing either.
    """

    owner = models.CharField(max_length=128, help_text="In whose name it acts.")
    label = models.CharField(
        max_length=128, blank=True, default="", help_text="What it is for."
    )
    digest = models.CharField(
        max_length=64, unique=True, help_text="SHA-256 of the token, in hexadecimal."
    )
    prefix = models.CharField(
        max_length=16,
        db_index=True,
        help_text="Its first characters, so that people can tell tokens apart.",
    )
    source = models.CharField(
        max_length=16, choices=Source.choices, default=Source.REST
    )
    zones = models.JSONField(
        blank=True,
        default=list,
        help_text="Names of the zones it may see and change; empty means all.",
    )
    read_only = models.BooleanField(default=False)
    created_at = models.DateTimeField()
    expires_at = models.DateTimeField(null=True, blank=True)
    revoked_at = models.DateTimeField(null=True, blank=True)
    last_used_at = models.DateTimeField(
        null=True, blank=True, help_text="To the minute."
    )

    class Meta:
        """Newest first, where people look at them."""

        ordering = ("-id",)
        verbose_name = "API token"

    def __str__(self) -> str:
        """Name it as people know it, without its secret."""
        return f"{self.prefix}… of {self.owner}"

    def is_live(self, at: datetime) -> bool:
        """Say whether it is neither revoked nor expired at ``at``."""
        if self.revoked_at is not None:
            return False
        return self.expires_at is None or at < self.expires_at
