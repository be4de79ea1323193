"""When to try again: a pure decision, in seconds."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

FIRST_DELAY_S = 0.5
LONGEST_DELAY_S = 60.0
FIRST_CHECK_S = 0.25
LONGEST_CHECK_S = 15.0


@dataclass(frozen=True)
class Backoff:
    """Exponential back-off with full jitter above half of each step."""

    first_s: float
    longest_s: float

    def delay(self, attempt: int, jitter: float) -> timedelta:
        """Return how long to wait after the ``attempt``-th failure (from 1).

        ``jitter`` is a random number in [0, 1): the caller draws it.
        """
        step: float = min(self.longest_s, self.first_s * 2 ** min(attempt - 1, 30))
        return timedelta(seconds=step * (0.5 + jitter / 2))


SENDING = Backoff(FIRST_DELAY_S, LONGEST_DELAY_S)
CHECKING = Backoff(FIRST_CHECK_S, LONGEST_CHECK_S)


def next_attempt(
    attempt: int, now: datetime, deadline: datetime | None, jitter: float
) -> datetime | None:
    """Return when to send again after ``attempt`` failures, None to give up.

    Gives up only once ``deadline`` has passed, and makes a last attempt at it.
    """
    if deadline is not None and now >= deadline:
        return None
    at = now + SENDING.delay(attempt, jitter)
    return at if deadline is None else min(at, deadline)
