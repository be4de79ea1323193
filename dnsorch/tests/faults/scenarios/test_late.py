"""Messages that arrive in the time for which they are signed, and yet too late.

The leases of this module are long, so that the signatures are (RFC 8945 section 5.2.3);
they are ended by hand. What refuses the message is its prerequisites alone.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator

import pytest

from dnsorch.tests.e2e.harness import until
from dnsorch.tests.faults.answers import PREREQUISITE_FAILED, rcode
from dnsorch.tests.faults.proxy import Fault, Rule, is_batch, is_update
from dnsorch.tests.faults.scenarios.conftest import Run
from dnsorch.tests.faults.stack import WORKERS, FaultStack

both = pytest.mark.parametrize("zone", ["bind", "powerdns"], indirect=True)


@pytest.fixture(scope="module")
def long_leases(shared: FaultStack) -> Iterator[FaultStack]:
    """Have whoever delivers take leases that last."""

    shared.heal()
    with shared.configured({"DNSORCH_LEASE_S": "60"}, *WORKERS, "sweep"):
        yield shared


@both
def test_paused_after_signing(
    run: Run, stack: FaultStack, long_leases: FaultStack, zone: str
) -> None:
    with run("4 paused after_sign", zone) as trial:
        # The zone has its marker: what comes too late is no first takeover.
        trial.write(1)
        trial.go_on()
        lost = stack.logged("lease lost", *WORKERS)
        (fired,) = trial.arm("after_sign=stop")
        trial.write(2)
        zombie = stack.await_stopped(fired)
        stack.end_lease(zone)
        trial.write(2)
        trial.go_on()
        before = trial.observer.added()
        link = stack.link(zone)
        link.answers.clear()
        rule = link.add(Rule(Fault.NOTE, is_update, times=1))
        os.kill(zombie, signal.SIGCONT)
        until(
            lambda: stack.logged("lease lost", *WORKERS) > lost or None,
            "the zombie notices",
        )
        assert rule.met == 1
        (refused,) = link.answers
        assert rcode(refused) in PREREQUISITE_FAILED
        assert trial.observer.added() == before
    assert trial.applied_twice() == []


@both
def test_delivered_after_a_takeover(
    run: Run, stack: FaultStack, long_leases: FaultStack, zone: str
) -> None:
    with run("7 delivered after a takeover", zone) as trial:
        rule = stack.link(zone).add(Rule(Fault.HOLD, is_batch, times=1))
        trial.write(3)
        until(lambda: rule.met or None, "an UPDATE is held")
        trial.faults = rule.met
        trial.go_on()
        before = trial.observer.added()
        (refused,) = stack.link(zone).release()
        assert rcode(refused) in PREREQUISITE_FAILED
        assert trial.observer.added() == before
    assert trial.evidence.batches[0].status == "not_applied"
    assert trial.applied_twice() == []
