"""How long to wait before the next attempt: a pure decision."""

from __future__ import annotations

import random
from dataclasses import dataclass


@dataclass(frozen=True)
class Backoff:
    """Exponential back-off with jitter; all times in seconds."""

    first_s: float = 0.5
    longest_s: float = 30.0
    #: A server may ask for more with ``Retry-After``, but not for hours.
    longest_asked_s: float = 300.0

    def delay(
        self, failures: int, *, retry_after: float | None = None, chance: float
    ) -> float:
        """Return the pause after the ``failures``-th failure in a row (from 1).

        ``chance`` in [0, 1) spreads it over the upper half of the interval, so that
        consumers that failed together do not come back together. ``retry_after``
        (RFC 9110 section 10.2.3) is a lower bound.
        """
        # Beyond 2**20 every interval is longest_s, and the power stays small.
        interval = min(self.longest_s, self.first_s * 2.0 ** min(failures - 1, 20))
        pause = interval * (0.5 + chance / 2)
        asked = min(retry_after or 0.0, self.longest_asked_s)
        return max(pause, asked)

    def after(self, failures: int, retry_after: float | None = None) -> float:
        """Return :meth:`delay` with a random jitter."""
        return self.delay(failures, retry_after=retry_after, chance=random.random())
