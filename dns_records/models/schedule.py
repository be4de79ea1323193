"""Change sets that wait for their time."""

from __future__ import annotations

from typing import Any

from django.db import models

from dns_records.models.zone import Zone
from requests_tracker.models import Request


class ScheduledChange(models.Model):
    """What a request with ``not_before`` asks for, in canonical form.

    It is planned when it is due; the row stays as long as its request, which may be
    tried again from it. ``access`` is what who asked may do, for the PTR records that
    go with it; a release before this one left it out, and then none go.
    """

    request = models.OneToOneField(
        Request, on_delete=models.CASCADE, primary_key=True, related_name="scheduled"
    )
    zone = models.ForeignKey(Zone, on_delete=models.CASCADE, related_name="+")
    operations: models.JSONField[Any, list[dict[str, Any]]] = models.JSONField()
    access: models.JSONField[Any, dict[str, Any] | None] = models.JSONField(null=True)

    def __str__(self) -> str:
        return f"{len(self.operations)} operation(s) of {self.request_id}"
