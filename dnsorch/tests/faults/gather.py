"""Gathering the evidence: from the database, the name servers, Kafka and the logs."""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from dnsorch.tests.e2e.harness import TOPICS, until
from dnsorch.tests.faults.checker import FINAL
from dnsorch.tests.faults.evidence import (
    Batch,
    Change,
    Evidence,
    Held,
    Outcome,
    Published,
    Request,
)
from dnsorch.tests.faults.stack import FaultStack
from dnsorch.tests.faults.update_log import RESTORED, Added
from dnsorch.tests.faults.workload import Workload

_OPEN = """
SELECT (SELECT count(*) FROM requests_tracker_request
        WHERE idempotency_key LIKE %s AND status NOT IN %s),
       (SELECT count(*) FROM dns_records_batch WHERE status = 'sent'),
       (SELECT count(*) FROM dns_records_change
        WHERE name LIKE %s AND next_check_at IS NOT NULL),
       (SELECT count(*) FROM requests_tracker_outboxevent WHERE published_at IS NULL)
"""
_KNOWN = """
SELECT count(*) FROM requests_tracker_request WHERE idempotency_key = ANY(%s)
"""
_REQUESTS = """
SELECT request.id::text, idempotency_key, status, error_code,
       array(SELECT step FROM requests_tracker_requestevent AS event
             WHERE event.request_id = request.id AND step IN %s ORDER BY sequence)
FROM requests_tracker_request AS request WHERE idempotency_key LIKE %s ORDER BY id
"""
_CHANGES = """
SELECT change.id, request_id::text, zone.name, change.name,
       after->'records'->>0, version, status
FROM dns_records_change AS change JOIN dns_records_zone AS zone ON zone.id = zone_id
WHERE change.name = ANY(%s) ORDER BY change.id
"""
_BATCHES = """
SELECT zone.name, epoch, number, status, error
FROM dns_records_batch AS batch JOIN dns_records_zone AS zone ON zone.id = lane_id
WHERE batch.id > %s AND zone.name = ANY(%s) AND zone.fencing = 'marker'
ORDER BY batch.id
"""
_OUTCOMES = """
SELECT event.request_id::text, event.zone, event.type, event_seq
FROM requests_tracker_outboxevent AS event
JOIN requests_tracker_request AS request ON request.id = event.request_id
WHERE idempotency_key LIKE %s ORDER BY event.id
"""
_HELD = """
SELECT rrset.name, applied->'records'->>0,
       (SELECT max(rdata) FROM dns_records_record WHERE rrset_id = rrset.id)
FROM dns_records_rrset AS rrset WHERE name = ANY(%s) AND type = 'TXT'
"""
_LAST_BATCH = "SELECT coalesce(max(id), 0) FROM dns_records_batch"
_TIMELINE = """
SELECT to_char(at, 'HH24:MI:SS.MS'), step, message FROM requests_tracker_requestevent
WHERE request_id::text = %s ORDER BY sequence
"""


class Observer:
    """What one run leaves behind, from the moment this is made."""

    def __init__(self, stack: FaultStack, workload: Workload) -> None:
        """Note where every log and table ends now."""
        self._stack, self._workload = stack, workload
        self._like = f"{workload.label}-%"
        self._logs = {zone: stack.logs_of[zone] for zone in workload.zones}
        self._positions = {zone: log.position() for zone, log in self._logs.items()}
        self._restored: list[tuple[str, int]] = []
        self._started = datetime.now(UTC)
        self._last_batch = stack.rows(_LAST_BATCH)[0][0]

    def is_known(self) -> bool:
        """Say whether the tracker knows all that was asked for."""
        keys = [asked.key for asked in self._workload.history]
        return bool(self._stack.rows(_KNOWN, keys)[0][0] >= len(keys))

    def is_quiet(self) -> bool:
        """Say whether all that was asked for is final, live and published."""
        # A message that Kafka holds yet is not known to the tracker.
        if not self.is_known():
            return False
        open_ = self._stack.rows(_OPEN, self._like, tuple(FINAL), self._like)
        return not any(open_[0])

    def await_quiet(self, bound_s: float, *, revive: bool = True) -> float | None:
        """Wait until all is quiet; return after how many seconds, None if it is not.

        Whatever died meanwhile is started again, unless it is not to ``revive``.
        """
        started = time.monotonic()
        while time.monotonic() < started + bound_s:
            if self.is_quiet():
                return time.monotonic() - started
            if revive:
                self._stack.revive()
            time.sleep(0.1)
        return None

    def evidence(self, recovery_s: float | None, bound_s: float) -> Evidence:
        """Return all that the checker judges."""
        rows, names = self._stack.rows, self._workload.names
        requests = [
            Request(key, own, status, error, tuple(finals))
            for key, own, status, error, finals in rows(
                _REQUESTS, tuple(FINAL), self._like
            )
        ]
        ids = {request.id for request in requests}
        return Evidence(
            asked=tuple(self._workload.history),
            requests=requests,
            changes=[
                Change(key, request, zone, name, _number(text) or 0, version, status)
                for key, request, zone, name, text, version, status in rows(
                    _CHANGES, names
                )
            ],
            batches=[
                Batch(*row)
                for row in rows(_BATCHES, self._last_batch, list(self._workload.zones))
            ],
            outcomes=[Outcome(*row) for row in rows(_OUTCOMES, self._like)],
            published=self._published(ids),
            added=self.added(),
            held={
                name: Held(_number(wanted), _number(applied))
                for name, applied, wanted in rows(_HELD, names)
            },
            served=self._served(names),
            dead=self._dead(),
            leaks=self._leaks(),
            recovery_s=recovery_s,
            bound_s=bound_s,
        )

    def added(self) -> list[Added]:
        """Return what the name servers applied since the start, zone by zone."""
        found = []
        for zone, log in self._logs.items():
            own = log.since(self._positions[zone])
            for name, position in self._restored:
                if name == zone:
                    at = len(own) - len(log.since(position))
                    own.insert(at, Added(zone, RESTORED, ""))
            found += own
        return found

    def await_audit(self, zone: str, reason: str) -> dict[str, Any]:
        """Return what a zone was compared for this reason and found to differ in."""

        def look() -> dict[str, Any] | None:
            found = self._stack.last_audit(zone)
            if found is None or reason not in found.get("reason", ""):
                return None
            # Another scenario may have had the same reason.
            return (
                found if datetime.fromisoformat(found["at"]) > self._started else None
            )

        return until(look, f"{zone} is compared: {reason}", 90)

    def note_restored(self, zone: str) -> None:
        """Note that a zone has now an old marker, or none: an older state of itself."""
        self._restored.append((zone, self._logs[zone].position()))

    def timeline(self, request_id: str) -> list[str]:
        """Return the timeline of a request, a line for each entry."""
        rows = self._stack.rows(_TIMELINE, request_id)
        return [f"{at} {step}: {message}" for at, step, message in rows]

    def _published(self, ids: set[str]) -> list[Published]:
        found = []
        for message in self._stack.messages(TOPICS[1]):
            body = json.loads(message.value() or b"{}")
            if body.get("subject") in ids:
                key = (message.key() or b"").decode()
                found.append(Published(key, body["id"], body["subject"]))
        return found

    def _dead(self) -> list[str]:
        """Return the keys of dead letters that no request tracks."""
        keys = []
        for message in self._stack.messages(TOPICS[2]):
            headers = headers_of(message)
            key = headers.get("idempotency-key", b"").decode()
            tracked = "dnsorch-dlq-request-id" in headers
            if key.startswith(self._like.rstrip("%")) and not tracked:
                keys.append(key)
        return keys

    def _served(self, names: Sequence[str]) -> dict[tuple[str, str], frozenset[str]]:
        return {
            (server, name): frozenset(
                text.strip('"') for text in self._stack.resolve(name, "TXT", server)
            )
            for zone, servers in self._stack.servers.items()
            for server in servers
            for name in names
            if name.endswith(f".{zone}")
        }

    def _leaks(self) -> list[str]:
        secrets = list(self._stack.secrets())
        return [
            path.name
            for path in sorted(self._stack.directory.glob("*.log"))
            if any(secret in path.read_text(errors="replace") for secret in secrets)
        ]


def headers_of(message: Any) -> dict[str, bytes]:
    """Return the headers of a message of Kafka."""
    # Declared as texts, which they are not.
    return dict(message.headers() or [])


def _number(text: str | None) -> int | None:
    return int(text.strip('"')) if text else None
