"""Whether the memory of a process is flat: samples of its RSS, and the rule."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from contextlib import suppress
from statistics import median

import psutil

from dnsorch.tests.faults.stack import FaultStack

MIB = 1024 * 1024
#: The last third's median may be above the first's by a twentieth and so many MiB:
#: caches fill, and workers' children are born anew.
GROWTH, SLACK_MIB = 1.05, 8.0


class Memory:
    """RSS of each process of the stack, in MiB, its children included."""

    def __init__(self) -> None:
        """Begin without a sample."""
        self.samples: dict[str, list[float]] = defaultdict(list)

    def sample(self, stack: FaultStack) -> None:
        """Take a sample of each process."""
        for name in stack.running:
            octets = 0
            for process in stack.processes(name):
                with suppress(psutil.NoSuchProcess):
                    octets += process.memory_info().rss
            self.samples[name].append(octets / MIB)


def growing(samples: Mapping[str, Sequence[float]]) -> list[str]:
    """Return a line for each process whose memory is not flat."""
    found = []
    for name, values in sorted(samples.items()):
        third = max(1, len(values) // 3)
        first, last = median(values[:third]), median(values[-third:])
        if last > first * GROWTH + SLACK_MIB:
            found.append(f"{name}: {first:.0f} MiB at first, {last:.0f} at last")
    return found
