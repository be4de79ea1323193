"""Records that go by themselves: their removal is a request like any other.

Whoever gave a record another life meanwhile wins: what is removed is still due under
the lock of its owner name, on the database's clock. A removal that is refused, fails
or is cancelled is asked for again after a day.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from datetime import timedelta
from uuid import UUID

import structlog
from django.db import transaction
from django.db.models import F

from dns_records.images import Key
from dns_records.models import Record, RRset, Zone
from dns_records.plan import Operation
from dns_records.services import changes, wake, wanted
from dns_records.services.changes import Prepared
from dns_records.services.wanted import Locked
from dnsorch import clock, tracing
from dnsorch.exceptions import DnsorchError
from dnsorch.tokens.access import Access
from requests_tracker.models import Request, Source, Step
from requests_tracker.services import lifecycle
from requests_tracker.services.lifecycle import Origin
from requests_tracker.services.timeline import Entry

logger = structlog.get_logger(__name__)

ACTION = "expire"
# Of one request, and of one sweep; the next is a second away.
MAX_RECORDS = 500
MAX_DUE = 5000
AGAIN_AFTER = timedelta(days=1)
# Whose the removal is if the request that wrote the record is forgotten.
NOBODY = "dnsorch"

Due = dict[UUID, str]
"""Owner names, by the ids of the records that are due there."""


def remove_due() -> int:
    """Ask for the removal of all that is due; return how many requests that made."""
    rows = Record.objects.filter(expires_at__lte=clock.database_now())
    found = rows.order_by("expires_at", "pk").values_list(
        "rrset__zone", "expires_for", "pk", "rrset__name"
    )
    due = list(found[:MAX_DUE])
    askers = _requesters({request_id for _, request_id, _, _ in due if request_id})
    grouped: dict[tuple[int, str], Due] = defaultdict(dict)
    for zone_id, request_id, record_id, name in due:
        asker = askers.get(request_id, NOBODY) if request_id else NOBODY
        own = grouped[zone_id, asker]
        if len(own) < MAX_RECORDS:
            own[record_id] = name
    made = 0
    for (zone_id, requester), own in grouped.items():
        try:
            with tracing.span("expiry.remove", parent=""):
                made += remove(zone_id, requester, own)
        except Exception:  # one zone's trouble is not the others'
            logger.exception("expired records not removed", zone_id=zone_id)
    return made


def _requesters(request_ids: Iterable[UUID]) -> dict[UUID, str]:
    rows = Request.objects.filter(pk__in=list(request_ids)).order_by()
    return dict(rows.values_list("pk", "requester"))


def remove(zone_id: int, requester: str, due: Due) -> int:
    """Ask for the removal of records of a zone; return how many requests that made.

    What a rule forbids is refused by itself, and does not hold up the others.
    """
    zone = Zone.objects.select_related("backend").filter(pk=zone_id).first()
    if zone is None:
        return 0
    with transaction.atomic():
        locked = wanted.lock(zone, set(due.values()))
        found = _still_due(locked, due)
        if not found:
            return 0
        removal = Removal(locked, requester, found)
        error = removal.ask()
        if error is None or len(found) == 1:
            if error is not None:
                removal.put_off(error)
            return 1
    # Nothing was stored of it. Half of the RRsets each: the one at fault is found.
    keys = sorted(found)
    middle = len(keys) // 2
    return sum(
        remove(zone_id, requester, {r.pk: key.name for key in half for r in found[key]})
        for half in (keys[:middle], keys[middle:])
    )


def _still_due(locked: Locked, due: Due) -> dict[Key, list[Record]]:
    """Return the locked records that are due yet, by RRset."""
    rows = Record.objects.filter(pk__in=list(due)).order_by()
    ended = rows.filter(expires_at__lte=clock.database_now())
    ids = set(ended.values_list("pk", flat=True))
    found = {
        key: [record for record in own if record.pk in ids]
        for key, own in locked.records.items()
    }
    return {key: own for key, own in found.items() if own}


class Removal:
    """The removal of the records of one zone that are due, of one requester."""

    def __init__(
        self, locked: Locked, requester: str, due: dict[Key, list[Record]]
    ) -> None:
        """Take what is locked; ``due`` is not empty."""
        self.locked, self.due = locked, due
        self.origin = Origin.inside(Access(requester, Source.SCHEDULE), ACTION)
        self.records = [(key, record) for key in sorted(due) for record in due[key]]
        self.request = self.origin.request()
        self.request.zone = locked.zone.name
        self.request.comment = self._comment()
        if len(self.records) == 1:
            self.request.value = self.records[0][1].rdata

    def _comment(self) -> str:
        asked = sorted({str(r.expires_for) for _, r in self.records if r.expires_for})
        by = f"request {asked[0]}" if len(asked) == 1 else f"{len(asked)} requests"
        return f"the life that {by} gave to {len(self.records)} record(s) is over"

    def ask(self) -> DnsorchError | None:
        """Store the removal; return why it is refused, None if it is not.

        Raises:
            DnsorchError: with status 5xx; the next sweep tries again.
        """
        told = self._told()
        again = clock.now() + AGAIN_AFTER
        for _, record in self.records:
            # Should the removal not come about, it comes back with this life.
            record.expires_at = again
        operations = [
            Operation("remove", key, None, tuple(each.rdata for each in own))
            for key, own in sorted(self.due.items())
        ]
        changes.describe(self.request, operations)
        try:
            with transaction.atomic():
                prepared = Prepared(self.locked, changes.build(self.locked, operations))
                entries = changes.write(self.request, prepared)
                lifecycle.open_queued(self.request, [told, *entries])
        except DnsorchError as error:
            if error.status >= 500:
                raise
            return error
        wake.after_commit(self.locked.zone.pk)
        return None

    def _told(self) -> Entry:
        """Return the first entry of the timeline: what is over, and who said so."""
        listed: Sequence[dict[str, str | None]] = [
            {
                "name": key.name,
                "type": key.type,
                "rdata": record.rdata,
                "expires_at": clock.iso(record.expires_at),
                "request": str(record.expires_for) if record.expires_for else None,
            }
            for key, record in self.records
        ]
        received = self.origin.received()
        data = received.data | {"expired": listed}
        assert self.request.comment is not None  # it is set when this is made
        return Entry(Step.RECEIVED, self.request.comment, data=data, at=received.at)

    def put_off(self, error: DnsorchError) -> None:
        """Store that the removal was refused, and give the records another day."""
        ids = [record.pk for _, record in self.records]
        again = clock.now() + AGAIN_AFTER
        Record.objects.filter(pk__in=ids).update(expires_at=again)
        rrsets = [self.locked.rrsets[key].pk for key in self.due]
        RRset.objects.filter(pk__in=rrsets).update(
            version=F("version") + 1, updated_at=clock.now()
        )
        stays = Entry(
            Step.RETRY_SCHEDULED,
            f"the records stay, and are to go at {again:%Y-%m-%d %H:%M:%S} UTC",
            "warning",
            data={"expires_at": clock.iso(again)},
        )
        self.request.deadline_at = None
        lifecycle.open_rejected(self.request, error, [self.origin.received(), stays])
        logger.warning("expiry refused", code=error.code, **self.request.log_context())
