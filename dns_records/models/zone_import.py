"""Imports of zones: where each stands, and what was read and is not taken yet."""

from __future__ import annotations

from typing import Any

from django.db import models

from dns_records.models.zone import Zone
from requests_tracker.models import Request


class ImportSource(models.TextChoices):
    """Where the records come from: the zone's server, or a zone file (RFC 1035)."""

    TRANSFER = "transfer"
    API = "api"
    FILE = "file"


class ImportPhase(models.TextChoices):
    """What an import does now."""

    READING = "reading"
    TAKING = "taking"
    WAITING = "waiting"
    DONE = "done"


class ZoneImport(models.Model):
    """One import of a zone; its request says how it ended.

    Whoever holds the lease works on it; ``epoch`` rises with each lease. ``read_at`` is
    when the reading of the server began. ``records`` is how many were read, ``done``
    how many of them are dealt with, up to the name ``cursor``. ``ended_at`` is set when
    nothing is left to do, not even to clean up.
    """

    request = models.OneToOneField(
        Request, on_delete=models.CASCADE, primary_key=True, related_name="zone_import"
    )
    zone = models.ForeignKey(Zone, on_delete=models.CASCADE, related_name="imports")
    source = models.CharField(max_length=10, choices=ImportSource.choices)
    phase = models.CharField(
        max_length=10, choices=ImportPhase.choices, default=ImportPhase.READING
    )
    epoch = models.BigIntegerField(default=0)
    lease_expires_at = models.DateTimeField(null=True, blank=True)
    not_before = models.DateTimeField(null=True, blank=True)
    failures = models.PositiveIntegerField(default=0)
    read_at = models.DateTimeField(null=True, blank=True)
    taking_since = models.DateTimeField(null=True, blank=True)
    cursor = models.CharField(max_length=1024, blank=True)
    records = models.PositiveIntegerField(default=0)
    done = models.PositiveIntegerField(default=0)
    # How many RRsets: taken, same, sent, in_motion, own, left_out.
    counts: models.JSONField[Any, dict[str, int]] = models.JSONField(default=dict)
    left_out: models.JSONField[Any, list[dict[str, str]]] = models.JSONField(
        default=list
    )
    ended_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        """What is not ended is found without looking at what is."""

        indexes = [
            models.Index(
                fields=["zone"],
                name="import_open",
                condition=models.Q(ended_at__isnull=True),
            )
        ]

    def __str__(self) -> str:
        return f"import {self.request_id} ({self.phase})"


class ImportFile(models.Model):
    """A piece of a zone file, in its order, until it is read."""

    zone_import = models.ForeignKey(
        ZoneImport, on_delete=models.CASCADE, related_name="pieces"
    )
    octets = models.BinaryField()

    def __str__(self) -> str:
        return f"piece {self.pk}"


class ImportPart(models.Model):
    """An RRset as it was read, or a part of one; ``line`` is where a file has it."""

    zone_import = models.ForeignKey(
        ZoneImport, on_delete=models.CASCADE, related_name="parts"
    )
    served = models.BooleanField()
    name = models.CharField(max_length=1024)
    type = models.CharField(max_length=20)
    ttl = models.PositiveIntegerField()
    records: models.JSONField[Any, list[str]] = models.JSONField()
    line = models.PositiveIntegerField(null=True)

    class Meta:
        """They are taken name by name."""

        indexes = [
            models.Index(fields=["zone_import", "name"], name="import_part_name")
        ]

    def __str__(self) -> str:
        return f"{self.name} {self.type}"
