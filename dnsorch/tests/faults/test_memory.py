"""The rule by which memory is flat."""

from __future__ import annotations

import pytest

from dnsorch.tests.faults.memory import growing


@pytest.mark.parametrize(
    "flat",
    [[100.0] * 9, [100, 101, 99] * 3, [100.0, 112.0, 113.0], [100.0], [100, 300, 100]],
)
def test_what_is_flat(flat: list[float]) -> None:
    assert growing({"api": flat}) == []


def test_what_grows() -> None:
    rising = [100.0 + 5 * number for number in range(9)]
    assert growing({"api": [100.0] * 9, "worker": rising}) == [
        "worker: 105 MiB at first, 135 at last"
    ]
