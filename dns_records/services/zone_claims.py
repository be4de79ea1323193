"""One process at a time compares a zone: a claim in the row of its lane.

The claim is the moment until which it lasts, on the database's clock; the moment names
its holder. Who dies loses it by itself, and another takes the work up.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from time import monotonic
from typing import Self

from django.db import transaction
from django.db.models import Q
from django.db.models.functions import Now

from dns_records.models import Lane
from dns_records.services.lanes import LeaseLost


class Claim:
    """A claim that is ours for ``lasts``, and longer as long as it is renewed."""

    def __init__(
        self, zone_id: int, field: str, lasts: timedelta, until: datetime
    ) -> None:
        """Keep what :meth:`take` got."""
        self._zone_id, self._field, self._lasts = zone_id, field, lasts
        self._until = until
        self._renewed = monotonic()

    @classmethod
    def take(
        cls, zone_id: int, field: str, lasts: timedelta, free: Q | None = None
    ) -> Self | None:
        """Claim a zone in a field of its lane, None if it is not ``free``.

        By default it is free where nobody has claimed it, or a claim is over.
        """
        unclaimed = Q(**{f"{field}__isnull": True}) | Q(**{f"{field}__lte": Now()})
        lane = Lane.objects.filter(zone=zone_id)
        with transaction.atomic():
            if not lane.filter(free or unclaimed).update(**{field: Now() + lasts}):
                return None
            until = lane.values_list(field, flat=True).get()
        return cls(zone_id, field, lasts, until)

    def renew(self) -> None:
        """Make it last longer, unless that was done a moment ago.

        Raises:
            LeaseLost: it is somebody else's by now.
        """
        if monotonic() - self._renewed < self._lasts.total_seconds() / 6:
            return
        lane = Lane.objects.filter(zone=self._zone_id)
        with transaction.atomic():
            mine = lane.filter(**{self._field: self._until})
            if not mine.update(**{self._field: Now() + self._lasts}):
                raise LeaseLost(f"the claim of {self._zone_id} is another's by now")
            self._until = lane.values_list(self._field, flat=True).get()
        self._renewed = monotonic()

    def give_back(self, **fields: object) -> None:
        """Let others have it, and write ``fields``, unless it is another's by now."""
        mine = Lane.objects.filter(**{"zone": self._zone_id, self._field: self._until})
        mine.update(**{self._field: None, **fields})
