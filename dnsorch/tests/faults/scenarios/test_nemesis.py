"""Whatever comes, at random: the same faults for the same seed."""

from __future__ import annotations

from dnsorch.tests.faults.nemesis import Nemesis, suffer
from dnsorch.tests.faults.scenarios.conftest import Run
from dnsorch.tests.faults.stack import FaultStack
from dnsorch.tests.services.harness import ZONE

RAGE_S = 12.0
#: A breaker that was opened again and again waits for 30 seconds.
BOUND_S = 60.0


def test_a_random_nemesis(run: Run, stack: FaultStack, seed: int) -> None:
    zones = (ZONE, stack.powerdns_zone)
    with run("random nemesis", *zones, bound_s=BOUND_S) as trial:
        suffer(trial, Nemesis(stack, seed), RAGE_S)
