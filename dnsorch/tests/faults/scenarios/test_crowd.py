"""A crowd of clients at once: nothing is refused, and DNS hears little of it.

Each scenario has ``DNSORCH_TEST_CROWD`` of them, half over REST and half over Kafka:
as many as suit a quick run, unless ``make faults CROWD=10000`` says otherwise.
"""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest

from dnsorch.tests.e2e.harness import until
from dnsorch.tests.faults.crowd import Crowd
from dnsorch.tests.faults.scenarios.conftest import FURTHER, Run
from dnsorch.tests.faults.stack import PROCESSES, WORKERS, FaultStack
from dnsorch.tests.faults.trial import Trial
from dnsorch.tests.services.harness import ZONE

COUNT = int(os.environ.get("DNSORCH_TEST_CROWD") or 700)
BOUND_S = max(60.0, COUNT / 5)
ALONE = {"rest": 0, "kafka": 0, "bound_s": BOUND_S}


@pytest.fixture(scope="module")
def no_detour(shared: FaultStack) -> Iterator[None]:
    """Have the processes go to their services directly, with leases as in production.

    What is measured is them, not proxies that share one interpreter.
    """
    shared.heal()
    direct = super(FaultStack, shared).variables()
    names = ("DATABASE_URL", "CELERY_BROKER_URL", "KAFKA_BOOTSTRAP_SERVERS")
    variables = {name: direct[name] for name in names}
    with shared.configured(variables | {"DNSORCH_LEASE_S": "12"}, *PROCESSES):
        yield


@pytest.mark.usefixtures("no_detour")
@pytest.mark.parametrize(
    ("target", "zones", "per_zone"), [("50 zones", FURTHER, 2), ("one RRset", 1, 1)]
)
def test_a_crowd_while_nothing_is_delivered(
    run: Run,
    stack: FaultStack,
    further_zones: list[str],
    target: str,
    zones: int,
    per_zone: int,
) -> None:
    chosen = [ZONE] if zones == 1 else further_zones
    with run(f"28 {COUNT} to {target}", *chosen, **ALONE) as trial:
        with stack.paused(*WORKERS, "sweep"):
            Crowd(trial, COUNT, per_zone=per_zone).come()
            until(lambda: trial.observer.is_known() or None, "all is accepted", BOUND_S)
    judge(trial)
    # A message holds all that waits in its zone.
    assert len(trial.evidence.batches) * 10 < COUNT


@pytest.mark.usefixtures("no_detour")
def test_a_crowd_while_all_is_delivered(run: Run) -> None:
    with run(f"28 {COUNT} to one zone", ZONE, **ALONE) as trial:
        Crowd(trial, COUNT, per_zone=100).come()
    judge(trial)
    # How many go together depends on who is quicker, the clients or the workers.
    assert len(trial.evidence.batches) < COUNT


def judge(trial: Trial) -> None:
    """Nobody was sent away, and everybody's change is live or was followed by one."""
    assert {each.statuses for each in trial.evidence.asked} == {(202,), ()}
    assert len(trial.evidence.requests) == COUNT
    assert {each.status for each in trial.evidence.requests} == {"completed"}
