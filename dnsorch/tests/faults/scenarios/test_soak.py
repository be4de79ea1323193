"""Random faults for minutes: nothing stuck at the end, and no memory that grows."""

from __future__ import annotations

import json
import os
import time

import pytest

from dnsorch.tests.faults import memory
from dnsorch.tests.faults.memory import Memory
from dnsorch.tests.faults.nemesis import Nemesis, suffer
from dnsorch.tests.faults.scenarios.conftest import Run
from dnsorch.tests.faults.stack import FaultStack
from dnsorch.tests.faults.trial import DIRECTORY
from dnsorch.tests.services.harness import ZONE

MINUTES = float(os.environ.get("DNSORCH_TEST_SOAK_MINUTES", "30"))
ROUND_S = 30.0
#: A breaker that was opened again and again waits for 30 seconds.
BOUND_S = 60.0


@pytest.mark.soak
def test_soak(run: Run, stack: FaultStack, seed: int) -> None:
    until = time.monotonic() + 60 * MINUTES
    sampled = Memory()
    number = 0
    while time.monotonic() < until:
        number += 1
        zones = (ZONE, stack.powerdns_zone)
        with run(f"soak {number}", *zones, bound_s=BOUND_S) as trial:
            suffer(trial, Nemesis(stack, seed + number), ROUND_S)
        # DNS = wanted = tracker, and nothing stuck, as the checker has seen.
        sampled.sample(stack)
    DIRECTORY.mkdir(parents=True, exist_ok=True)
    path = DIRECTORY / f"memory-{seed}.json"
    path.write_text(json.dumps(sampled.samples, indent=1) + "\n")
    assert memory.growing(sampled.samples) == []
