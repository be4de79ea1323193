"""External DNS services."""

from __future__ import annotations

from typing import Any

from django.db import models


class Backend(models.Model):
    """An external DNS service with exactly one update server.

    ``options`` are the driver's and hold no secret; ``secret_reference`` says where
    the secret is (``env:NAME``, ``file:PATH``).

    ``failures`` counts the silences in a row; with enough of them its lanes leave it
    alone until ``not_before``, because of ``last_error``.
    """

    name = models.CharField(max_length=100, unique=True)
    driver = models.CharField(max_length=50)
    options: models.JSONField[Any, dict[str, Any]] = models.JSONField(
        default=dict, blank=True
    )
    secret_reference = models.CharField(max_length=500, blank=True)
    failures = models.PositiveIntegerField(default=0, editable=False)
    not_before = models.DateTimeField(null=True, blank=True, editable=False)
    last_error = models.TextField(blank=True, editable=False)
    created_at = models.DateTimeField(auto_now_add=True)
    updated_at = models.DateTimeField(auto_now=True)

    class Meta:
        """Sorted as people look for them."""

        ordering = ["name"]

    def __str__(self) -> str:
        return f"{self.name} ({self.driver})"
