"""Which time it is: the process's clock, and the database's.

Leases and due times are compared on the *database's* clock, since workers' clocks
differ; what people read is stamped with the process's. Callers import the module
(``clock.now()``), so that a test can put a time of its own there with :func:`fixed`.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime

from django.db.models.functions import Now

_fixed: datetime | None = None


def now() -> datetime:
    """Return the process's time: aware, in UTC."""
    return _fixed or datetime.now(UTC)


def iso(at: datetime | None) -> str | None:
    """Return a time as the API shows it (RFC 3339, UTC), None for none."""
    return None if at is None else at.astimezone(UTC).isoformat()[:-6] + "Z"


def database_now() -> Now:
    """Return the expression for the database's time, for use in a query."""
    return Now()


@contextmanager
def fixed(at: datetime) -> Iterator[datetime]:
    """Hold :func:`now` at ``at`` inside the block: the seam for tests.

    Raises:
        ValueError: ``at`` is naive.
    """
    global _fixed
    if at.tzinfo is None:
        raise ValueError("a fixed time must be aware")
    before, _fixed = _fixed, at.astimezone(UTC)
    try:
        yield _fixed
    finally:
        _fixed = before
