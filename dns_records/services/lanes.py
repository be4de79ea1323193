"""Leases: who may write to a zone's update server, by the database's clock.

A lease is taken, renewed and given back by compare-and-set; no lock is held while
it lasts. Its ``epoch`` rises whenever a lease is taken from a holder that did not
give it back, so a holder that slept through its expiry can write nothing any more:
neither here, where each result is guarded by the epoch, nor at a name server that
keeps the marker RR.
"""

from __future__ import annotations

import os
import random
import socket
import threading
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from django.conf import settings
from django.db import transaction
from django.db.models import F, Q
from django.db.models.functions import Now

from dns_records import retry
from dns_records.models import Backend, Lane, LaneState
from dns_records.tcp import Deadline
from dnsorch import clock, failpoints
from dnsorch.exceptions import DnsorchError


class LeaseLost(DnsorchError):
    """Somebody else holds the lease of this lane now."""

    code = "lease_lost"


@dataclass
class Lease:
    """The right to write to one zone's update server, until it expires."""

    zone_id: int
    epoch: int
    taken_over: bool
    # By our clock, never later than by the database's.
    ends: Deadline = field(default_factory=lambda: Deadline(0), compare=False)

    def left(self) -> float:
        """Return for how many seconds it is ours for certain, if nobody renews it."""
        return 0.0 if self.ends.is_over else self.ends.left()


def holder() -> str:
    """Return the name under which this thread holds leases."""
    return f"{socket.gethostname()}:{os.getpid()}:{threading.get_ident():x}"


def _expiry() -> object:
    return Now() + timedelta(seconds=settings.DNSORCH_LEASE_S)


def acquire(zone_id: int) -> Lease | None:
    """Take the lease; None if it is held, or the lane waits out a back-off."""
    lane = Lane.objects.filter(
        Q(not_before__isnull=True) | Q(not_before__lte=Now()), zone=zone_id
    )
    mine = {"holder": holder(), "lease_expires_at": _expiry()}
    ends = Deadline(settings.DNSORCH_LEASE_S)
    with transaction.atomic():
        taken_over = False
        if not lane.filter(lease_expires_at__isnull=True).update(**mine):
            expired = lane.filter(lease_expires_at__lte=Now())
            if not expired.update(epoch=F("epoch") + 1, **mine):
                return None
            taken_over = True
        epoch = Lane.objects.values_list("epoch", flat=True).get(zone=zone_id)
    return Lease(zone_id, epoch, taken_over, ends)


def guard(lease: Lease, **fields: object) -> None:
    """Renew the lease and write ``fields``: the first statement of every result.

    Raises:
        LeaseLost: the lease is not ours any more; nothing may be written.
    """
    mine = Lane.objects.filter(
        zone=lease.zone_id, epoch=lease.epoch, lease_expires_at__gt=Now()
    )
    if not failpoints.stands("guarded_results"):
        mine = Lane.objects.filter(zone=lease.zone_id)
    ends = Deadline(settings.DNSORCH_LEASE_S)
    if not mine.update(lease_expires_at=_expiry(), **fields):
        raise LeaseLost
    lease.ends = ends


def raise_epoch(lease: Lease, above: int) -> None:
    """Give the lease an epoch of its own, higher than ``above``.

    Raises:
        LeaseLost: the lease is not ours any more.
    """
    epoch = max(lease.epoch, above) + 1
    guard(lease, epoch=epoch)
    lease.epoch = epoch


def clear_dirty(lease: Lease) -> None:
    """Forget the wake-up *before* a scan, so that none is lost between the two."""
    guard(lease, dirty=False)


def release(lease: Lease) -> bool:
    """Give the lease back unless somebody woke the lane; say whether it is over."""
    mine = Lane.objects.filter(zone=lease.zone_id, epoch=lease.epoch)
    if mine.filter(dirty=False).update(lease_expires_at=None, holder=""):
        return True
    return not mine.exists()


def hand_back(lease: Lease) -> None:
    """Give the lease back whatever waits; the caller wakes the lane again."""
    Lane.objects.filter(zone=lease.zone_id, epoch=lease.epoch).update(
        lease_expires_at=None, holder=""
    )


def note_success(lease: Lease) -> None:
    """Forget earlier failures of the lane, if there were any."""
    Lane.objects.filter(zone=lease.zone_id, epoch=lease.epoch).exclude(
        state=LaneState.OK, failures=0
    ).update(state=LaneState.OK, failures=0, not_before=None, last_error="")


def note_failure(lease: Lease, state: LaneState, error: DnsorchError) -> timedelta:
    """Let the lane wait, longer each time; return for how long.

    Raises:
        LeaseLost: the lease is not ours any more.
    """
    failures = 1 + Lane.objects.values_list("failures", flat=True).get(
        zone=lease.zone_id
    )
    delay = retry.SENDING.delay(failures, random.random())
    guard(
        lease,
        state=state,
        failures=failures,
        not_before=Now() + delay,
        last_error=f"{error.code}: {error.detail}",
    )
    return delay


def hurry(zone_id: int) -> None:
    """Let the lane and its backend try again now: an operator asked for it."""
    Lane.objects.filter(zone=zone_id).update(not_before=None)
    Backend.objects.filter(zones=zone_id).update(not_before=None)


def next_try(delay: timedelta) -> datetime:
    """Return the moment ``delay`` from now, by the process's clock, for people."""
    return clock.now() + delay
