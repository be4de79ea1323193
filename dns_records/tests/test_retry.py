"""When something is tried again."""

from __future__ import annotations

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dns_records import retry
from dns_records.retry import Backoff


@pytest.mark.parametrize(
    ("attempt", "earliest_s", "latest_s"),
    [
        (1, 0.25, 0.5),
        (2, 0.5, 1.0),
        (3, 1.0, 2.0),
        (7, 16.0, 32.0),
        (8, 30.0, 60.0),  # the longest step
        (9, 30.0, 60.0),
        (100_000, 30.0, 60.0),
    ],
)
def test_sending_waits_longer_each_time(
    attempt: int, earliest_s: float, latest_s: float
) -> None:
    assert retry.SENDING.delay(attempt, 0.0).total_seconds() == earliest_s
    assert retry.SENDING.delay(attempt, 1.0).total_seconds() == latest_s


@given(st.integers(1, 10**6), st.floats(0, 1, exclude_max=True), st.floats(0.01, 10**4))
def test_no_delay_leaves_its_step(attempt: int, jitter: float, first_s: float) -> None:
    delay = Backoff(first_s, 10 * first_s).delay(attempt, jitter)
    assert timedelta(seconds=first_s / 2) <= delay <= timedelta(seconds=10 * first_s)


@pytest.mark.parametrize(
    ("waited_s", "next_s"),
    [(0, 0.02), (0.03, 0.02), (0.2, 0.1), (10, 5), (30, 15), (3600, 15), (-5, 0.02)],
)
def test_the_next_check_comes_after_half_of_what_has_passed(
    waited_s: float, next_s: float
) -> None:
    assert retry.next_check(timedelta(seconds=waited_s)) == timedelta(seconds=next_s)
