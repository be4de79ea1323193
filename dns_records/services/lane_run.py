"""One lease of a lane at work: its zone, its provider, its marker.

A zone with fencing ``marker`` has a TXT record at ``_dnsorch.<zone>`` with the epoch
of the lease and the number of the last batch. Each UPDATE requires the marker it
expects and puts its own there (RFC 2136 sections 3.2 and 5.7), so the name server
itself refuses a message from a lease that is over, and the marker says what became
of a message whose answer was lost.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

import structlog
from django.conf import settings
from django.db.models import QuerySet
from django.db.models.functions import Now

from dns_records.models import Batch, BatchStatus, Fencing, LaneState, Mode, Zone
from dns_records.providers import registry
from dns_records.providers.base import Fence, Provider, Receipt, RRsetChange
from dns_records.providers.errors import Fenced, OutcomeUnknown
from dns_records.services import foreign, lanes, unfenced
from dns_records.services.lanes import Lease, LeaseLost
from dns_records.services.orders import Order
from dns_records.tcp import Deadline
from dnsorch import bulk, clock, failpoints, prepared
from dnsorch.prepared import Update

logger = structlog.get_logger(__name__)

TAKEOVER_TRIES = 5
# Seconds: a message needs some time to arrive, however short leases are.
SHORTEST_S = 1.0
_MARKER = re.compile(r"v1 (\d+) (\d+)")


@dataclass(frozen=True)
class Marker:
    """The marker's content: the epoch of a lease, the number of its last batch."""

    epoch: int
    number: int

    def __str__(self) -> str:
        return f"v1 {self.epoch} {self.number}"

    @classmethod
    def parse(cls, text: str) -> Marker | None:
        """Return the marker that ``text`` is, None if it is none of ours."""
        match = _MARKER.fullmatch(text)
        return cls(int(match[1]), int(match[2])) if match else None


class LaneRun:
    """What a holder of the lease does with it."""

    def __init__(self, lease: Lease, zone: Zone) -> None:
        """Look up what the lane needs.

        Raises:
            Misconfigured: the backend's driver or options are wrong.
        """
        backend = zone.backend
        self.lease = lease
        self.zone = zone
        self.provider: Provider = registry.for_backend(
            backend.driver, backend.options, backend.secret_reference
        )
        self.fenced = (
            zone.fencing == Fencing.MARKER
            and self.provider.can_fence
            and failpoints.stands("marker")
        )
        lane = lease.lane
        self.marker = Marker(lane.marker_epoch, lane.marker_number)
        self._known = lane
        # Nobody but the holder of the lease counts.
        self._number = lane.batch_number
        # The marker that the last takeover found and replaced, until a batch followed.
        self.replaced: str | None = None
        self.has_taken_over = False
        self.undecided = next(iter(_undecided(zone.pk)), None)

    @property
    def failed_before(self) -> bool:
        """Whether the lane was in trouble when the lease was taken."""
        return bool(self._known.failures) or self._known.state != LaneState.OK

    @property
    def must_take_over(self) -> bool:
        """Whether the marker has to be taken before anything is sent."""
        return self.fenced and (
            self.lease.taken_over or not self.marker.epoch or self.undecided is not None
        )

    def take_over(self) -> Marker | None:
        """Take the marker; return the one that was there, which decides the past.

        What an older lease has on the wire is refused by the server from then on. A
        batch was applied if and only if the marker found has its number or a higher
        one.

        Raises:
            LeaseLost: a younger lease has the marker.
            ProviderError: the server did not take it.
        """
        name = self.zone.name
        for _ in range(TAKEOVER_TRIES):
            text = self.provider.read_marker(name)
            found = Marker.parse(text) if text is not None else None
            lanes.raise_epoch(self.lease, found.epoch if found else 0)
            # The number lives on across leases: it names every message there was.
            number = found.number if found else self._last_decided_number()
            mine = Marker(self.lease.epoch, number)
            if (why := self._not_as_left(text, found)) is not None:
                # Before the marker is taken: whoever comes after us would not see it.
                logger.error("marker is not as we left it", zone=name, why=why)
                order = Order(why).kept()
                lanes.guard(self.lease, reconcile_at=Now(), reconcile_order=order)
            try:
                self.provider.apply(
                    name, [], fence=Fence(text, str(mine)), until=self.until()
                )
            except Fenced:
                continue
            failpoints.hit("after_takeover")
            self._remember(mine)
            self.has_taken_over, self.replaced = True, text
            return found
        raise LeaseLost("the marker changed hands too often")

    def _not_as_left(self, text: str | None, found: Marker | None) -> str | None:
        """Say what is wrong with a marker, if server and database disagree about it.

        A server that was restored from an older state holds an older marker or none; a
        database that was, a younger one than it ever gave out.
        """
        ours = self._known.marker_number
        if found is not None and found.number > self._known.batch_number:
            return (
                f"the marker has number {found.number} and ours went up to "
                f"{self._known.batch_number}: the database is older than the server"
            )
        if not ours or (found is not None and found.number >= ours):
            return None
        if found is not None:
            return f"the marker went back from number {ours} to {found.number}"
        return "the marker is gone" if text is None else "the marker was overwritten"

    def until(self) -> Deadline:
        """Return when a message that is sent now must have no effect any more."""
        left = self.lease.left()
        skew: float = settings.DNSORCH_CLOCK_SKEW_S
        return Deadline(max(left - skew, min(left, SHORTEST_S)))

    def _last_decided_number(self) -> int:
        # A marker that went missing with the message that is undecided: it must not
        # come back with that message's number, which would say that it was applied.
        last = self._number
        return last if self.undecided is None else min(last, self.undecided.number - 1)

    def _remember(self, marker: Marker) -> None:
        # A server that was restored from an older state must not see a number twice.
        self._number = max(marker.number, self._number)
        lanes.guard(
            self.lease,
            marker_epoch=marker.epoch,
            marker_number=marker.number,
            batch_number=self._number,
        )
        self.marker = marker

    def next_number(self) -> int:
        """Take the number of the next message: no two messages ever share one.

        Raises:
            LeaseLost: the lease is not ours any more.
        """
        self._number += 1
        lanes.guard(self.lease, batch_number=self._number)
        return self._number

    def write_batch(
        self, number: int, *, requests: int, images: Sequence[RRsetChange]
    ) -> Batch:
        """Write the row of a message before it is sent."""
        batch = Batch(
            lane_id=self.zone.pk,
            epoch=self.lease.epoch,
            number=number,
            requests=requests,
            rrsets=len(images),
            octets=self.provider.message_octets(self.zone.name, images),
            attempts=1,
            sent_at=clock.now(),
        )
        bulk.insert([batch])
        return batch

    def send(self, batch: Batch, images: Sequence[RRsetChange]) -> Receipt:
        """Send the message of a batch; never within a transaction.

        Raises:
            LeaseLost: the lease is not ours any more; nothing is sent.
            ForeignEdit: the zone is shared, and other hands are in the way.
            ProviderError: one of its five kinds.
        """
        if not self.fenced and failpoints.stands("marker"):
            return unfenced.send(self, batch, images)
        lanes.guard(self.lease)
        mine = Marker(self.lease.epoch, batch.number)
        failpoints.hit("before_send")
        receipt = self._send_fenced(batch, images, mine)
        failpoints.hit("after_send")
        self.marker = mine
        self.has_taken_over = False
        return receipt

    def _send_fenced(
        self, batch: Batch, images: Sequence[RRsetChange], mine: Marker
    ) -> Receipt:
        """Send with the marker; in a zone that others write to, conditions beside it.

        Where the server refuses and the marker is as we left it, others wrote to what
        the message is about.
        """
        if not self._expects_others():
            return self._apply(images, mine)
        expected, rest = foreign.expected(self, batch, images)
        foreign.check_rest(self, rest)
        try:
            return self._apply(images, mine, expected)
        except Fenced as error:
            if self.provider.read_marker(self.zone.name) != str(self.marker):
                raise
            foreign.tell(self, batch, foreign.differing(self, expected), error)
        lanes.guard(self.lease)
        return self._apply(images, mine)

    def _expects_others(self) -> bool:
        if not self.fenced:
            return False
        return self.zone.mode == Mode.SHARED or self._known.suspect

    def _apply(
        self,
        images: Sequence[RRsetChange],
        mine: Marker,
        expected: Sequence[RRsetChange] = (),
    ) -> Receipt:
        return self.provider.apply(
            self.zone.name,
            images,
            fence=Fence(str(self.marker), str(mine)) if self.fenced else None,
            expected=expected,
            until=self.until() if self.fenced else None,
        )

    def marker_was_ignored(self) -> bool:
        """Whether the server said yes to our takeover and kept the marker as it was.

        Raises:
            ProviderError: it cannot be asked now.
        """
        if not self.has_taken_over:
            return False
        return self.provider.read_marker(self.zone.name) == self.replaced

    def note_answer(self, batch: Batch, error: OutcomeUnknown) -> None:
        """Note an answer that decides nothing; the batch stays undecided."""
        batch.rcode, batch.error = error.rcode or "", error.detail
        batch.save(update_fields=["rcode", "error"])

    def is_answered_in_vain(self, tries: int) -> bool:
        """Whether the last messages were all answered with what decides nothing."""
        last = Batch.objects.filter(lane=self.zone.pk).order_by("-number")[:tries]
        in_vain = [
            each for each in last if each.status != BatchStatus.APPLIED and each.rcode
        ]
        return len(in_vain) == tries

    def decide(
        self, batch: Batch, status: BatchStatus, *, rcode: str = "", error: str = ""
    ) -> None:
        """Write what became of a batch, within the transaction of its results.

        Raises:
            LeaseLost: the lease is not ours any more; the caller's transaction ends.
        """
        lanes.guard(
            self.lease,
            marker_epoch=self.marker.epoch,
            marker_number=self.marker.number,
        )
        batch.status, batch.rcode, batch.error = status, rcode, error
        batch.decided_at = clock.now()
        _decide(batch.pk, status, rcode, error, batch.decided_at)

    def forget_marker(self) -> None:
        """Have the marker taken anew: the server does not hold the one we left."""
        lanes.guard(self.lease, marker_epoch=0)


@prepared.rows
def _undecided(zone_id: int) -> QuerySet[Batch]:
    sent = Batch.objects.filter(lane=zone_id, status=BatchStatus.SENT)
    return sent.order_by("pk")[:1]


@prepared.update
def _decide(
    batch_id: int, status: str, rcode: str, error: str, decided_at: datetime
) -> Update:
    values = {"status": status, "rcode": rcode, "error": error}
    return Batch.objects.filter(pk=batch_id), {**values, "decided_at": decided_at}
