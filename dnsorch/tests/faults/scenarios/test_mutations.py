"""Each guard taken away: the damage it guards against is done, and found.

Forced by failpoints, so that it is found every time.
"""

from __future__ import annotations

import os
import signal
from concurrent.futures import ThreadPoolExecutor

from dnsorch.tests.e2e.harness import until
from dnsorch.tests.faults import checker
from dnsorch.tests.faults.scenarios.conftest import Run
from dnsorch.tests.faults.stack import FaultStack, await_fired
from dnsorch.tests.faults.trial import Trial
from dnsorch.tests.services.harness import ZONE

ONE = {"rest": 1, "kafka": 0}
SHORT_S = 6.0


def found(trial: Trial) -> set[str]:
    """Return which invariants the checker sees broken, the guard still away."""
    return checker.invariants(trial.judge(heal=False))


def test_without_the_marker(stack: FaultStack, seed: int) -> None:
    trial = Trial(stack, "without marker", [ZONE], seed, **ONE)
    (fired,) = trial.arm("before_send=stop", "no_marker")
    trial.write(1)
    zombie = stack.await_stopped(fired)
    trial.write(1)
    trial.go_on()
    (name,) = trial.workload.names
    os.kill(zombie, signal.SIGCONT)
    until(lambda: len(trial.texts(name)) == 3 or None, "the zombie's UPDATE arrives")
    assert trial.texts(name) == ["1", "2", "1"]
    assert found(trial) >= {"I2", "I3"}


def test_without_the_sweep(stack: FaultStack, seed: int) -> None:
    trial = Trial(stack, "without sweep", [ZONE], seed, bound_s=SHORT_S, **ONE)
    (fired,) = trial.arm("after_wal=exit", "no_sweep")
    trial.write(1)
    await_fired(fired)
    assert found(trial) >= {"I1", "I10"}


def test_without_the_idempotency_row(stack: FaultStack, seed: int) -> None:
    trial = Trial(stack, "without idempotency row", [ZONE], seed, **ONE)
    (fired,) = trial.arm("after_accept=exit", "no_idempotency_row")
    with ThreadPoolExecutor(1) as pool:
        writing = pool.submit(trial.write, 1)
        await_fired(fired)
        stack.kill("api")
        stack.start("api")
        writing.result()
    assert found(trial) == {"I7"}


def test_without_guarded_results(stack: FaultStack, seed: int) -> None:
    trial = Trial(
        stack, "without guarded results", [ZONE], seed, bound_s=SHORT_S, **ONE
    )
    (fired,) = trial.arm("after_probe=stop", "no_guarded_results")
    trial.write(1)
    zombie = stack.await_stopped(fired)
    trial.write(1)
    trial.go_on()
    os.kill(zombie, signal.SIGCONT)
    (name,) = trial.workload.names
    until(lambda: stack.applied(name) == "1" or None, "the zombie writes its result")
    assert "I2" in found(trial)


def test_with_every_guard_nothing_is_found(run: Run, stack: FaultStack) -> None:
    with run("the same with the guards", ZONE, **ONE) as trial:
        (fired,) = trial.arm("after_accept=exit")
        with ThreadPoolExecutor(1) as pool:
            writing = pool.submit(trial.write, 1)
            await_fired(fired)
            stack.kill("api")
            stack.start("api")
            writing.result()
        for place in ("before_send=stop", "after_probe=stop"):
            (fired,) = trial.arm(place)
            trial.write(1)
            zombie = stack.await_stopped(fired)
            trial.write(1)
            trial.go_on()
            os.kill(zombie, signal.SIGCONT)
        (fired,) = trial.arm("after_wal=exit")
        trial.write(1)
        await_fired(fired)
