"""The stack's database, past its proxy: what it says, and leases ended by hand."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlsplit

import psycopg2

from dnsorch.tests import real
from dnsorch.tests.services.harness import RealStack

_SILENCES = """
SELECT backend.failures FROM dns_records_backend AS backend
JOIN dns_records_zone AS zone ON zone.backend_id = backend.id WHERE zone.name = %s
"""
_AUDIT = """
SELECT last_audit FROM dns_records_lane AS lane
JOIN dns_records_zone AS zone ON zone.id = lane.zone_id WHERE zone.name = %s
"""
_APPLIED = "SELECT applied->'records'->>0 FROM dns_records_rrset WHERE name = %s"
_END_LEASE = """
UPDATE dns_records_lane AS lane SET lease_expires_at = now()
FROM dns_records_zone AS zone WHERE zone.id = lane.zone_id AND zone.name = %s
RETURNING lane.epoch
"""
_END_PUBLISHER_LEASE = """
UPDATE requests_tracker_publisherlease SET expires_at = now() RETURNING token
"""


class WatchedStack(RealStack):
    """A stack whose database a test looks into."""

    def rows(self, select: str, *values: object) -> list[tuple[Any, ...]]:
        """Return the rows of a statement."""
        url = urlsplit(real.setting("DATABASE_URL"))
        direct = url._replace(path=f"/{self.database}").geturl()
        connection = psycopg2.connect(direct)
        try:
            with connection, connection.cursor() as cursor:
                cursor.execute(select, values)
                return list(cursor.fetchall())
        finally:
            connection.close()

    def end_lease(self, zone: str) -> None:
        """Have the time of a lane's lease be over now, on the database's clock."""
        self.rows(_END_LEASE, zone)

    def end_publisher_lease(self) -> None:
        """Have the time of the publisher's lease be over now."""
        self.rows(_END_PUBLISHER_LEASE)

    def silences(self, zone: str) -> int:
        """Return how often in a row the backend of a zone gave no answer."""
        return int(self.rows(_SILENCES, zone)[0][0])

    def last_audit(self, zone: str) -> dict[str, Any] | None:
        """Return what the last comparison of a zone with its server found."""
        found: dict[str, Any] | None = self.rows(_AUDIT, zone)[0][0]
        return found

    def applied(self, name: str) -> str | None:
        """Return the number that the last decided UPDATE left at a name."""
        text = self.rows(_APPLIED, name)[0][0]
        return text.strip('"') if text else None
