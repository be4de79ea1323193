"""What the bridge shows in the admin: nothing of it is in the database."""

from __future__ import annotations

from django.db import models


class DeadLetter(models.Model):
    """A message of the dead-letter topic: it has a page and permissions, no table."""

    class Meta:
        """Kafka keeps them."""

        managed = False
        verbose_name = "dead letter"
        default_permissions = ("view",)
        permissions = [("replay_deadletter", "Can put dead letters back")]
