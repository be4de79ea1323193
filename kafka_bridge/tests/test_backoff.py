"""How long to wait."""

from __future__ import annotations

import pytest

from kafka_bridge.backoff import Backoff

BACKOFF = Backoff(first_s=0.5, longest_s=30.0, longest_asked_s=300.0)


@pytest.mark.parametrize(
    ("failures", "retry_after", "chance", "expected"),
    [
        (1, None, 0.0, 0.25),
        (1, None, 1.0, 0.5),
        (2, None, 1.0, 1.0),
        (6, None, 1.0, 16.0),
        (7, None, 1.0, 30.0),
        (7, None, 0.0, 15.0),
        (1_000_000, None, 1.0, 30.0),
        (1, 2.0, 0.0, 2.0),
        (7, 2.0, 1.0, 30.0),
        (1, 0.0, 0.0, 0.25),
        (1, 86_400.0, 0.0, 300.0),
    ],
)
def test_delay(
    failures: int, retry_after: float | None, chance: float, expected: float
) -> None:
    got = BACKOFF.delay(failures, retry_after=retry_after, chance=chance)
    assert got == expected


def test_after_stays_between_half_and_the_whole_interval() -> None:
    assert all(0.5 <= BACKOFF.after(2) <= 1.0 for _ in range(200))
