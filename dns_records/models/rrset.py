"""The wanted state: owner names, RRsets, records."""

from __future__ import annotations

import uuid
from typing import Any

from django.db import models

from dns_records.models.zone import Zone


class OwnerName(models.Model):
    """A name in a zone; never deleted, so that its row lock orders its writers.

    The counters keep CNAME exclusivity (RFC 1034 section 3.6.2) in the database.
    """

    # Its index would be the beginning of another one; so with those below.
    zone = models.ForeignKey(
        Zone, on_delete=models.CASCADE, related_name="names", db_index=False
    )
    name = models.CharField(max_length=1024)
    cname_rrsets = models.PositiveSmallIntegerField(default=0)
    other_rrsets = models.PositiveSmallIntegerField(default=0)

    class Meta:
        """One row per name of a zone."""

        constraints = [
            models.UniqueConstraint(
                fields=["zone", "name"], name="owner_zone_name_unique"
            ),
            models.CheckConstraint(
                name="owner_cname_stands_alone",
                condition=models.Q(cname_rrsets=0)
                | models.Q(cname_rrsets=1, other_rrsets=0),
            ),
        ]

    def __str__(self) -> str:
        return self.name


class RRset(models.Model):
    """The wanted records of one name and type, under one TTL (RFC 2181 section 5).

    An absent RRset is a row without records: its version keeps rising. ``applied``
    is the image that the last decided UPDATE left on the update server.
    """

    owner = models.ForeignKey(
        OwnerName, on_delete=models.CASCADE, related_name="rrsets"
    )
    zone = models.ForeignKey(
        Zone, on_delete=models.CASCADE, related_name="rrsets", db_index=False
    )
    name = models.CharField(max_length=1024)
    type = models.CharField(max_length=20)
    ttl = models.PositiveIntegerField("TTL")
    version = models.BigIntegerField(default=0)
    present = models.BooleanField(default=False)
    comment = models.TextField(null=True, blank=True)
    applied: models.JSONField[Any, dict[str, Any] | None] = models.JSONField(
        null=True, blank=True
    )
    updated_at = models.DateTimeField()

    class Meta:
        """One row per name and type; lists page by (zone, name, type), or by name."""

        verbose_name = "RRset"
        verbose_name_plural = "RRsets"
        indexes = [models.Index(fields=["name", "type", "id"], name="rrset_name_type")]
        constraints = [
            models.UniqueConstraint(
                fields=["zone", "name", "type"], name="rrset_zone_name_type_unique"
            )
        ]

    def __str__(self) -> str:
        return f"{self.name} {self.type}"


class Record(models.Model):
    """One record of the wanted state; its id lives as long as its rdata does.

    ``digest`` is the SHA-256 of type and canonical wire form (RFC 4034 section
    6.2): rdata may be longer than an index entry. A record with ``expires_at`` goes
    by itself at that time; ``expires_for`` is the request that said so.
    """

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    rrset = models.ForeignKey(
        RRset, on_delete=models.CASCADE, related_name="records", db_index=False
    )
    rdata = models.TextField()
    digest = models.CharField(max_length=64)
    comment = models.TextField(null=True, blank=True)
    expires_at = models.DateTimeField(null=True, blank=True)
    expires_for = models.UUIDField(null=True, blank=True)
    created_at = models.DateTimeField()
    updated_at = models.DateTimeField()

    class Meta:
        """No rdata twice in an RRset; what points where is an index look-up."""

        constraints = [
            models.UniqueConstraint(
                fields=["rrset", "digest"], name="record_rrset_digest_unique"
            )
        ]
        indexes = [
            models.Index(fields=["digest"], name="record_digest"),
            models.Index(
                fields=["expires_at"],
                name="record_expires",
                condition=models.Q(expires_at__isnull=False),
            ),
        ]

    def __str__(self) -> str:
        return self.rdata
