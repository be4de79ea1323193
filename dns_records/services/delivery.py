"""Draining a lane: many change sets per UPDATE, decided, retried, bisected.

The holder of the lease writes the batch row, sends the message outside any
transaction, and writes what became of it guarded by the lease.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from uuid import UUID

import structlog
from django.conf import settings

from dns_records.models import Batch, LaneState, Zone
from dns_records.providers.base import Receipt, RRsetChange
from dns_records.providers.errors import (
    Fenced,
    Misconfigured,
    OutcomeUnknown,
    PermanentRefusal,
    ProviderError,
    Unreachable,
)
from dns_records.services import (
    breaker,
    claims,
    foreign,
    lanes,
    observations,
    queue,
    results,
    unfenced,
    wake,
    withdrawal,
    zones,
)
from dns_records.services.foreign import ForeignEdit
from dns_records.services.lane_run import LaneRun
from dns_records.services.lanes import Lease, LeaseLost
from dns_records.services.queue import Parcel
from dnsorch import failpoints, tracing

logger = structlog.get_logger(__name__)

ANSWERED_TRIES = 3
# The turn of one lane, in seconds: then those that came meanwhile have theirs.
MAX_TURN_S = 2.0


class Waiting(Exception):
    """The lane waits: its back-off is written, and nothing is undecided."""


def drain(zone_id: int) -> bool:
    """Send what is due in a lane; say whether anything was sent.

    Returns at once when somebody else holds the lease, the lane waits out a back-off
    or its backend is left alone. The time of one lease is bounded, so that a lane with
    much work does not starve others: then the lane is woken again.
    """
    zone = zones.by_id(zone_id)
    lease = _enter(zone) if zone else None
    if zone is None or lease is None:
        return False
    sent = False
    try:
        run = LaneRun(lease, zone)
        _settle_the_past(run)
        until = time.monotonic() + min(MAX_TURN_S, settings.DNSORCH_LEASE_S / 2)
        while True:
            found = queue.scan(zone_id)
            # Where all that was found is done, who came since has set the dirty flag.
            is_done = found.is_all
            if found.request_ids:
                is_done &= _deliver(run, found.request_ids)
                sent = True
            if is_done and lanes.release(lease):
                return sent
            # One message at least, however long the server took for the marker.
            if time.monotonic() >= until:
                break
            lanes.clear_dirty(lease)
        lanes.hand_back(lease)
        # Who set the dirty flag meanwhile saw that we held the lease.
        with tracing.apart():
            wake.publish(wake.DELIVER, zone_id)
    except LeaseLost:
        logger.warning("lease lost", zone_id=zone_id, epoch=lease.epoch)
    except Waiting:
        lanes.hand_back(lease)
    except ProviderError as error:
        _back_off(lease, zone, error)
    return sent


def _enter(zone: Zone) -> Lease | None:
    """Take the lease, if the backend may be asked."""
    held = breaker.admit(zone.backend)
    if held is not None:
        breaker.hold(zone.pk, held.until, held.error)
        results.note_unavailable(zone, held.error, held.until)
        return None
    lease = lanes.acquire(zone.pk)
    if lease is not None and not breaker.has_room(zone.backend):
        lanes.hand_back(lease)
        breaker.hold(zone.pk, lanes.next_try(breaker.FULL))
        return None
    return lease


def _back_off(lease: Lease, zone: Zone, error: ProviderError) -> None:
    """Let the lane wait; what is undecided stays so, and its requests say why."""
    breaker.note(zone.backend, error)
    try:
        delay = lanes.note_failure(lease, _lane_state(error), error)
    except LeaseLost:
        logger.warning("lease lost", zone_id=zone.pk, epoch=lease.epoch)
        return
    results.note_unavailable(zone, error, lanes.next_try(delay))
    lanes.hand_back(lease)


def _settle_the_past(run: LaneRun) -> None:
    """Take the marker, and decide what a former lease left undecided.

    Raises:
        Waiting: it cannot be decided yet.
        ProviderError: the server cannot be asked now.
    """
    batch = run.undecided
    if batch is not None:
        _wait_for_late_copies(run, batch)
    found = run.take_over() if run.must_take_over else None
    if batch is None:
        return
    parcels = queue.of_batch(batch.pk)
    if not run.fenced:
        _send_again(run, batch, parcels)
    elif found is None or found.number < batch.number:
        _not_applied(run, batch, parcels)
    elif not batch.is_restoration:
        _conclude(run, batch, parcels, "NOERROR", by_marker=True)
    elif _missing(run, results.applied_images(run.zone, parcels)):
        _restore(run, batch, parcels, batch.error)
    else:
        results.restored(run, batch, parcels, "NOERROR")


def _wait_for_late_copies(run: LaneRun, batch: Batch) -> None:
    """See that no copy of an undecided message can arrive any more.

    Raises:
        Waiting: one may, and nothing but a marker would stop it.
    """
    until = unfenced.late_until(batch)
    if until is None:
        return
    lanes.guard(run.lease, not_before=until)
    name = f"{batch.epoch}.{batch.number}"
    why = OutcomeUnknown(f"UPDATE {name} had no answer and may still arrive")
    results.note_unavailable(run.zone, why, until)
    raise Waiting


def _not_applied(run: LaneRun, batch: Batch, parcels: Sequence[Parcel]) -> None:
    """Close a batch that the marker shows to have had no effect."""
    if batch.is_restoration:
        _restore(run, batch, parcels, batch.error)
    elif run.is_answered_in_vain(ANSWERED_TRIES):
        # The server is there and takes the marker: it is this message it stumbles on.
        _refused(run, batch, parcels, PermanentRefusal(batch.error, rcode=batch.rcode))
    else:
        results.not_applied(
            run, batch, parcels, "the marker shows that the UPDATE was not applied"
        )


def _send_again(run: LaneRun, batch: Batch, parcels: Sequence[Parcel]) -> None:
    """Send an undecided message again: it leaves the same images.

    Only for servers without a marker. One that keeps answering without deciding
    (SERVFAIL) is asked what it holds.

    Raises:
        ProviderError: still undecided.
    """
    images = _images(run, batch, parcels)
    batch.attempts += 1
    batch.save(update_fields=["attempts"])
    try:
        receipt = _send(run, batch, parcels, images)
    except ForeignEdit as error:
        _in_the_way(run, batch, parcels, error)
        return
    except PermanentRefusal as error:
        if batch.is_restoration:
            raise
        _refused(run, batch, parcels, error)
        return
    except OutcomeUnknown as error:
        if not error.answered or batch.attempts < ANSWERED_TRIES:
            raise
        if not (run.provider.can_probe and run.provider.probe(run.zone.name, images)):
            if batch.is_restoration:
                raise
            _refused(run, batch, parcels, PermanentRefusal(error.detail))
            return
        rcode = "NOERROR"
    else:
        rcode = receipt.rcode
    if batch.is_restoration:
        results.restored(run, batch, parcels, rcode)
    else:
        _conclude(run, batch, parcels, rcode)


def _send(
    run: LaneRun, batch: Batch, parcels: Sequence[Parcel], images: Sequence[RRsetChange]
) -> Receipt:
    """Send the message of a batch.

    Raises:
        ProviderError: one of its five kinds.
    """
    with observations.update(run.zone, batch, parcels) as sent:
        receipt = run.send(batch, images)
        sent.rcode = receipt.rcode
    return receipt


def _images(
    run: LaneRun, batch: Batch, parcels: Sequence[Parcel]
) -> Sequence[RRsetChange]:
    """Return what the message of a batch says."""
    if batch.is_restoration:
        return results.applied_images(run.zone, parcels)
    images, _ = queue.message(parcels)
    return images


def _deliver(run: LaneRun, request_ids: Sequence[UUID]) -> bool:
    """Send change sets in one message, and see to it whatever becomes of it.

    Returns whether all of them were applied at once.

    Raises:
        Waiting: the lane has to wait.
        ProviderError: it has to wait, and what was sent stays undecided.
        LeaseLost: nothing more may be written.
    """
    batch, parcels = claims.claim(run, request_ids)
    if batch is None:
        return False
    failpoints.hit("after_wal")
    images, _ = queue.message(parcels)
    try:
        receipt = _send(run, batch, parcels, images)
    except ForeignEdit as error:
        _in_the_way(run, batch, parcels, error)
    except PermanentRefusal as error:
        _refused(run, batch, parcels, error)
    except (Unreachable, Misconfigured, Fenced) as error:
        breaker.note(run.zone.backend, error)
        ignored = isinstance(error, Fenced) and run.marker_was_ignored()
        delay = lanes.note_failure(run.lease, _lane_state(error), error)
        at = lanes.next_try(delay)
        results.not_applied(run, batch, parcels, error.detail, error, at)
        if isinstance(error, Fenced):
            # Still our lease, and yet not our marker: it was changed by other hands,
            # or never set.
            run.forget_marker()
        if ignored:
            results.fail(run, parcels, results.marker_ignored())
        raise Waiting from error
    except OutcomeUnknown as error:
        if error.answered:
            run.note_answer(batch, error)
        raise
    else:
        return _conclude(run, batch, parcels, receipt.rcode)
    return False


def _conclude(
    run: LaneRun,
    batch: Batch,
    parcels: Sequence[Parcel],
    rcode: str,
    *,
    by_marker: bool = False,
) -> bool:
    """Close a batch that the server said it applied, once it holds all of it.

    Returns whether it does.

    NOERROR is not proof: servers ignore parts of an UPDATE silently. Where parts are
    missing, all of it goes back to what was applied before, and the change sets are
    sent again in smaller parts until the one at fault stands alone.

    A marker that other hands moved may be ``by_marker`` what no server said: then a
    change set that stands alone is sent again as well.
    """
    images, superseded = queue.message(parcels)
    missing = _missing(run, images)
    failpoints.hit("after_probe")
    if not missing:
        results.applied(run, batch, parcels, superseded, rcode)
        return True
    why = f"the server silently ignored {', '.join(missing)}"
    _restore(run, batch, parcels, why)
    if len(parcels) > 1:
        _bisect(run, parcels)
    elif not by_marker:
        some = len(missing) < len(images)
        results.fail(run, parcels, results.partly_refused(missing, some))
    return False


def _missing(run: LaneRun, images: Sequence[RRsetChange]) -> list[str]:
    """Return which of the images the server does not hold."""
    if not run.provider.can_probe or run.provider.probe(run.zone.name, images):
        return []
    return [
        f"{image.name} {image.type}"
        for image in images
        if not run.provider.probe(run.zone.name, [image])
    ]


def _restore(run: LaneRun, batch: Batch, parcels: Sequence[Parcel], why: str) -> None:
    """Put back what was there before a batch of which parts were ignored.

    Its requests stay on their way until that is done: one that was cancelled before
    would leave in DNS what was applied of it.

    Raises:
        ProviderError: it is not done, and the next lease goes on with it.
    """
    before = results.applied_images(run.zone, parcels)
    restoration = results.begin_restoration(run, batch, before, why)
    receipt = _send(run, restoration, parcels, before)
    results.restored(run, restoration, parcels, receipt.rcode)


def _refused(
    run: LaneRun, batch: Batch, parcels: Sequence[Parcel], error: PermanentRefusal
) -> None:
    """See whether the server refuses us or one change set, and act on it.

    A server that refuses even an UPDATE that changes nothing is misconfigured: then
    nothing fails, and an operator's mistake is never ten thousand failures.

    Raises:
        Waiting: the server refuses us as such.
    """
    try:
        run.provider.check_permission(run.zone.name)
    except PermanentRefusal as refusal:
        delay = lanes.note_failure(run.lease, LaneState.MISCONFIGURED, refusal)
        at = lanes.next_try(delay)
        results.not_applied(run, batch, parcels, error.detail, refusal, at)
        raise Waiting from refusal
    results.not_applied(run, batch, parcels, error.detail)
    if len(parcels) == 1:
        results.fail(run, parcels, error)
    else:
        _bisect(run, parcels)


def _in_the_way(
    run: LaneRun, batch: Batch, parcels: Sequence[Parcel], error: ForeignEdit
) -> None:
    """Fail the change sets that others are in the way of, and send the rest again.

    Raises:
        Waiting, ProviderError, LeaseLost: as :func:`_deliver`.
    """
    results.not_applied(run, batch, parcels, error.detail)
    failed = foreign.split(error, parcels)
    withdrawal.fail(run.zone, failed)
    # What is planned anew without them is read again when it is claimed.
    rest = [each.request_id for each in parcels if each.request_id not in failed]
    if rest:
        _deliver(run, rest)


def _bisect(run: LaneRun, parcels: Sequence[Parcel]) -> None:
    """Send each half of the change sets by itself, in order."""
    ids = [parcel.request_id for parcel in parcels]
    middle = len(ids) // 2
    _deliver(run, ids[:middle])
    _deliver(run, ids[middle:])


def _lane_state(error: ProviderError) -> LaneState:
    misconfigured = isinstance(error, (Misconfigured, PermanentRefusal))
    return LaneState.MISCONFIGURED if misconfigured else LaneState.UNAVAILABLE
