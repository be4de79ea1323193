"""Zones that dnsorch provisions."""

from __future__ import annotations

from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models

from dns_records.models.backend import Backend

MAX_TTL = 2**31 - 1  # RFC 2181 section 8
# Seconds between two audits.
MIN_AUDIT_S = 60
MAX_AUDIT_S = 31_536_000


class VerifyPolicy(models.TextChoices):
    """Which name servers have to answer with a change before it is live."""

    NONE = "none"
    PRIMARY = "primary"
    ALL = "all"
    K_OF_N = "k-of-n"


class Fencing(models.TextChoices):
    """How a name server refuses an update by a worker that lost its lease."""

    MARKER = "marker"
    NONE = "none"


class Mode(models.TextChoices):
    """Who else writes to the zone.

    In a ``shared`` zone what other hands wrote is never overwritten by a change.
    """

    EXCLUSIVE = "exclusive"
    SHARED = "shared"


class PtrPolicy(models.TextChoices):
    """Whether PTR records go with addresses where a change does not say."""

    OFF = "off"
    ON = "on"


class Zone(models.Model):
    """A zone on a backend: who serves it, and when a change counts as live.

    ``nameservers`` are addresses as ``host:port``, the update server first. ``serial``
    is what the first of them was found to have when it was asked at ``serial_at``.
    Every ``audit_interval_s`` seconds the zone is compared with its update server.
    TTLs are in seconds; a minimum or maximum of None is RFC 2181's.
    """

    name = models.CharField(max_length=1024, unique=True)
    backend = models.ForeignKey(Backend, on_delete=models.PROTECT, related_name="zones")
    nameservers: models.JSONField[list[str], list[str]] = models.JSONField(default=list)
    verify_policy = models.CharField(
        max_length=10, choices=VerifyPolicy.choices, default=VerifyPolicy.ALL
    )
    verify_k = models.PositiveSmallIntegerField(null=True, blank=True)
    verify_deadline_s = models.PositiveIntegerField(default=300)
    fencing = models.CharField(
        max_length=10, choices=Fencing.choices, default=Fencing.MARKER
    )
    mode = models.CharField(
        max_length=10,
        choices=Mode.choices,
        default=Mode.EXCLUSIVE,
        db_default=Mode.EXCLUSIVE,
    )
    ptr_policy = models.CharField(
        max_length=3,
        choices=PtrPolicy.choices,
        default=PtrPolicy.OFF,
        db_default=PtrPolicy.OFF.value,
    )
    default_ttl = models.PositiveIntegerField(
        default=300, validators=[MaxValueValidator(MAX_TTL)]
    )
    min_ttl = models.PositiveIntegerField(
        null=True, blank=True, validators=[MaxValueValidator(MAX_TTL)]
    )
    max_ttl = models.PositiveIntegerField(
        null=True, blank=True, validators=[MaxValueValidator(MAX_TTL)]
    )
    audit_interval_s = models.PositiveIntegerField(
        null=True,
        blank=True,
        validators=[MinValueValidator(MIN_AUDIT_S), MaxValueValidator(MAX_AUDIT_S)],
    )
    serial = models.BigIntegerField(null=True, blank=True)
    serial_at = models.DateTimeField(null=True, blank=True, editable=False)
    event_seq = models.BigIntegerField(default=0)
    created_at = models.DateTimeField(auto_now_add=True)
    updated_at = models.DateTimeField(auto_now=True)

    class Meta:
        """Sorted by name."""

        ordering = ["name"]

    def __str__(self) -> str:
        return self.name
