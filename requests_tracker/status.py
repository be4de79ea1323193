"""The states of a request and the one table of allowed transitions.

See "Request states" in the REST contract (docs/architecture.md).
"""

from __future__ import annotations

from collections.abc import Mapping

from django.db.models import TextChoices

from dnsorch.exceptions import IllegalTransition


class Status(TextChoices):
    """Where a request stands."""

    RECEIVED = "received"
    REJECTED = "rejected"
    AWAITING_APPROVAL = "awaiting_approval"
    SCHEDULED = "scheduled"
    QUEUED = "queued"
    PROVISIONING = "provisioning"
    VERIFYING = "verifying"
    COMPLETED = "completed"
    FAILED = "failed"
    CANCELLED = "cancelled"


TRANSITIONS: Mapping[Status, frozenset[Status]] = {
    # received -> completed: a write that needs no provisioning, such as
    # registering a zone.
    Status.RECEIVED: frozenset(
        {
            Status.REJECTED,
            Status.QUEUED,
            Status.AWAITING_APPROVAL,
            Status.SCHEDULED,
            Status.COMPLETED,
        }
    ),
    Status.AWAITING_APPROVAL: frozenset(
        {Status.SCHEDULED, Status.QUEUED, Status.REJECTED, Status.CANCELLED}
    ),
    Status.SCHEDULED: frozenset({Status.QUEUED, Status.FAILED, Status.CANCELLED}),
    Status.QUEUED: frozenset({Status.PROVISIONING, Status.FAILED, Status.CANCELLED}),
    # provisioning -> queued: only for a batch that is decided not applied.
    Status.PROVISIONING: frozenset({Status.QUEUED, Status.VERIFYING, Status.FAILED}),
    Status.VERIFYING: frozenset({Status.COMPLETED, Status.FAILED}),
    Status.REJECTED: frozenset(),
    Status.COMPLETED: frozenset(),
    Status.FAILED: frozenset(),
    Status.CANCELLED: frozenset(),
}
FINAL = frozenset(status for status, after in TRANSITIONS.items() if not after)
OPEN = frozenset(TRANSITIONS) - FINAL
CANCELLABLE = frozenset(
    status for status, after in TRANSITIONS.items() if Status.CANCELLED in after
)


def check(before: str, after: str) -> None:
    """Refuse a step that the table does not have.

    Raises:
        IllegalTransition: a request in ``before`` may not become ``after``.
    """
    if Status(after) not in TRANSITIONS[Status(before)]:
        raise IllegalTransition(f"a request that is {before} cannot become {after}")
