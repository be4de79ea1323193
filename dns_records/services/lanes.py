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
from django.db.models import F, Q, QuerySet
from django.db.models.expressions import Combinable
from django.db.models.functions import Now

from dns_records import retry
from dns_records.models import Backend, Lane, LaneState
from dns_records.tcp import Deadline
from dnsorch import clock, failpoints, prepared
from dnsorch.exceptions import DnsorchError
from dnsorch.prepared import Update, UpdateOf


class LeaseLost(DnsorchError):
    """Somebody else holds the lease of this lane now."""

    code = "lease_lost"


@dataclass
class Lease:
    """The right to write to one zone's update server, until it expires."""

    zone_id: int
    epoch: int
    taken_over: bool
    # As it was when the lease was taken.
    lane: Lane = field(compare=False)
    # By our clock, never later than by the database's.
    ends: Deadline = field(default_factory=lambda: Deadline(0), compare=False)

    def left(self) -> float:
        """Return for how many seconds it is ours for certain, if nobody renews it."""
        return 0.0 if self.ends.is_over else self.ends.left()


def holder() -> str:
    """Return the name under which this thread holds leases."""
    return f"{socket.gethostname()}:{os.getpid()}:{threading.get_ident():x}"


def _expiry(lease_s: float) -> object:
    return Now() + timedelta(seconds=lease_s)


def acquire(zone_id: int) -> Lease | None:
    """Take the lease; None if it is held, or the lane waits out a back-off.

    The wake-up is forgotten: what waits is looked for next.
    """
    lease_s, me = settings.DNSORCH_LEASE_S, holder()
    ends = Deadline(lease_s)
    for take, taken_over in ((_take_free, False), (_take_expired, True)):
        for lane in take(zone_id, me, lease_s=lease_s):
            return Lease(zone_id, lane.epoch, taken_over, lane, ends)
    return None


def _open_now(zone_id: int) -> QuerySet[Lane]:
    on_time = Q(not_before__isnull=True) | Q(not_before__lte=Now())
    return Lane.objects.filter(on_time, zone=zone_id)


@prepared.returning
def _take_free(zone_id: int, me: str, *, lease_s: float) -> UpdateOf[Lane]:
    values = {"holder": me, "lease_expires_at": _expiry(lease_s), "dirty": False}
    return _open_now(zone_id).filter(lease_expires_at__isnull=True), values


@prepared.returning
def _take_expired(zone_id: int, me: str, *, lease_s: float) -> UpdateOf[Lane]:
    values = {"holder": me, "lease_expires_at": _expiry(lease_s), "dirty": False}
    expired = _open_now(zone_id).filter(lease_expires_at__lte=Now())
    return expired, {**values, "epoch": F("epoch") + 1}


def guard(lease: Lease, **fields: object) -> None:
    """Renew the lease and write ``fields``: the first statement of every result.

    Raises:
        LeaseLost: the lease is not ours any more; nothing may be written.
    """
    lease_s = settings.DNSORCH_LEASE_S
    ends = Deadline(lease_s)
    expires = {"lease_expires_at": _expiry(lease_s)}
    if not failpoints.stands("guarded_results"):
        renewed = Lane.objects.filter(zone=lease.zone_id).update(**expires, **fields)
    elif any(isinstance(each, Combinable) for each in fields.values()):
        # What the database is to compute would be another statement each time.
        renewed = _held(lease.zone_id, lease.epoch).update(**expires, **fields)
    else:
        mine, values = (lease.zone_id, lease.epoch), fields.values()
        renewed = _renew(*mine, *values, names=tuple(fields), lease_s=lease_s)
    if not renewed:
        raise LeaseLost
    lease.ends = ends


def _held(zone_id: int, epoch: int) -> QuerySet[Lane]:
    mine = Lane.objects.filter(zone=zone_id, epoch=epoch)
    return mine.filter(lease_expires_at__gt=Now())


@prepared.update
def _renew(
    zone_id: int, epoch: int, *values: object, names: tuple[str, ...], lease_s: float
) -> Update:
    fields = dict(zip(names, values, strict=True))
    return _held(zone_id, epoch), {"lease_expires_at": _expiry(lease_s), **fields}


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
    if _give_back(lease.zone_id, lease.epoch):
        return True
    mine = Lane.objects.filter(zone=lease.zone_id, epoch=lease.epoch)
    return not mine.exists()


@prepared.update
def _give_back(zone_id: int, epoch: int) -> Update:
    mine = Lane.objects.filter(zone=zone_id, epoch=epoch, dirty=False)
    return mine, {"lease_expires_at": None, "holder": ""}


def hand_back(lease: Lease) -> None:
    """Give the lease back whatever waits; the caller wakes the lane again.

    Who set the dirty flag meanwhile has told nobody.
    """
    Lane.objects.filter(zone=lease.zone_id, epoch=lease.epoch).update(
        lease_expires_at=None, holder="", dirty=False
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
