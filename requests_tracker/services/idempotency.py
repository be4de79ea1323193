"""One idempotency key of one owner acts once.

Follows draft-ietf-httpapi-idempotency-key-header: the same key with the same
operation gives the first answer again, with another operation an error.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any
from uuid import UUID

from django.conf import settings
from django.db import OperationalError, connection
from django.db.models import QuerySet

from dnsorch import bulk, clock, failpoints, prepared
from dnsorch.exceptions import IdempotencyInProgress, IdempotencyKeyReused
from requests_tracker.models import IdempotencyKey, Step
from requests_tracker.services import timeline

WAIT_MS = 2000
# https://www.postgresql.org/docs/15/errcodes-appendix.html
LOCK_NOT_AVAILABLE = "55P03"


@dataclass(frozen=True)
class Answer:
    """What a client is told: HTTP status, JSON body, and where to look on."""

    status: int
    body: dict[str, Any]
    location: str = ""
    request_id: UUID | None = None
    replayed: bool = False


def fingerprint(operation: object) -> str:
    """Return the SHA-256 of the canonical JSON of an operation, in hex."""
    text = json.dumps(operation, sort_keys=True, separators=(",", ":"), default=str)
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


def claim(owner: str, key: str, operation: str) -> IdempotencyKey | Answer | None:
    """Take ``key`` in the running transaction, which has to :func:`settle_all` it.

    Returns the row, or the first answer where somebody else was faster, or None
    without a key.

    Raises:
        IdempotencyInProgress: somebody else holds it for longer than two seconds.
        IdempotencyKeyReused: the key was used for another operation.
    """
    if not key:
        return None
    found = claim_all(owner, {key: operation}).get(key)
    if isinstance(found, IdempotencyKeyReused):
        raise found
    return found


def claim_all(
    owner: str, operations: Mapping[str, str]
) -> dict[str, IdempotencyKey | Answer | IdempotencyKeyReused]:
    """Take several keys in the running transaction, which has to :func:`settle_all`.

    ``operations`` are the fingerprints by key. Returns for each key what
    :func:`claim` returns or raises.

    Raises:
        IdempotencyInProgress: somebody else holds one for longer than two seconds.
    """
    if not operations or not failpoints.stands("idempotency_row"):
        return {}
    now = clock.now()
    # In order of the keys: two who take the same ones do not wait for each other.
    mine = [
        IdempotencyKey(owner=owner, key=key, fingerprint=digest, created_at=now)
        for key, digest in sorted(operations.items())
    ]
    found: dict[str, IdempotencyKey | Answer | IdempotencyKeyReused]
    found = {row.key: row for row in _insert(mine)}
    for row in _taken(owner, [key for key in operations if key not in found]):
        if _forgotten(row):
            row.delete()
            found |= claim_all(owner, {row.key: operations[row.key]})
        else:
            try:
                found[row.key] = _answer(row, operations[row.key])
            except IdempotencyKeyReused as error:
                found[row.key] = error
    return found


def settle_all(answers: Iterable[tuple[IdempotencyKey, Answer]]) -> None:
    """Keep each answer with its key, in the transaction of their requests."""
    rows = []
    for row, answer in answers:
        row.request_id = answer.request_id
        row.response_status, row.response_body = answer.status, answer.body
        row.response_location = answer.location
        rows.append(row)
    # They are there: this is one UPDATE of all, without a CASE for each.
    bulk.upsert(
        rows,
        unique=("owner", "key"),
        update=(
            "request_id",
            "response_status",
            "response_body",
            "response_location",
        ),
    )


def note_replays(answers: Iterable[Answer]) -> None:
    """Tell the timelines of the originals whose answers were given again."""
    again = [each.request_id for each in answers if each.replayed and each.request_id]
    if again:
        timeline.append(
            again,
            timeline.Entry(
                Step.REPLAYED, "asked for again with the same idempotency key"
            ),
        )


@prepared.rows
def _taken(owner: str, keys: Collection[str]) -> QuerySet[IdempotencyKey]:
    return IdempotencyKey.objects.filter(owner=owner, key__in=keys)


def _insert(mine: Sequence[IdempotencyKey]) -> list[IdempotencyKey]:
    """Insert what is not there yet; return that.

    Raises:
        IdempotencyInProgress: somebody else holds one for longer than two seconds.
    """
    # The loser of the race waits here until the winner has committed.
    try:
        _set_lock_timeout(f"'{WAIT_MS}ms'")
        inserted = bulk.insert_missing(mine, "owner", "key")
        _set_lock_timeout("DEFAULT")
    except OperationalError as error:
        if getattr(error.__cause__, "pgcode", LOCK_NOT_AVAILABLE) != LOCK_NOT_AVAILABLE:
            raise
        raise IdempotencyInProgress(retry_after=1) from error
    return inserted


def _answer(row: IdempotencyKey, operation: str) -> Answer:
    if row.fingerprint != operation:
        raise IdempotencyKeyReused(
            "this idempotency key was used for another operation; "
            "send the same operation again or take a new key"
        )
    assert row.response_status is not None  # committed together with the answer
    first = Answer(
        row.response_status,
        row.response_body or {},
        row.response_location,
        row.request_id,
    )
    return replace(first, replayed=True)


def _forgotten(row: IdempotencyKey) -> bool:
    keep = timedelta(days=settings.DNSORCH_IDEMPOTENCY_DAYS)
    return row.created_at < clock.now() - keep


def _set_lock_timeout(value: str) -> None:
    """Bound the wait for the other holder of a key, on PostgreSQL.

    SQLite lets one writer in at a time; its busy timeout bounds the wait.
    """
    if connection.vendor == "postgresql":
        with connection.cursor() as cursor:
            cursor.execute(f"SET LOCAL lock_timeout = {value}")
