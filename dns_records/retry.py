"""When to try again: a pure decision, in seconds."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

FIRST_DELAY_S = 0.5
LONGEST_DELAY_S = 60.0
FIRST_CHECK_S = 0.02
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


def next_check(waited: timedelta) -> timedelta:
    """Return how long until name servers are asked again after ``waited``.

    Half of what has passed, so that a change is seen late by a third at most.
    """
    seconds = min(max(waited.total_seconds() / 2, FIRST_CHECK_S), LONGEST_CHECK_S)
    return timedelta(seconds=seconds)
