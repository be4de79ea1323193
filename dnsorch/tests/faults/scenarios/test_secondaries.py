"""A secondary that is away, behind, or past the end of the serial's circle."""

from __future__ import annotations

import os
import signal

from deploy.services import tsig
from dnsorch.tests.e2e.harness import until
from dnsorch.tests.faults.scenarios.conftest import Run
from dnsorch.tests.faults.stack import FaultStack
from dnsorch.tests.faults.trial import Trial
from dnsorch.tests.services.harness import ZONE

HALF_A_CIRCLE = 2**31
LAST = 2**32 - 1
_STATES = """
SELECT DISTINCT status FROM dns_records_change WHERE name = ANY(%s)
AND version = (SELECT max(version) FROM dns_records_change AS later
               WHERE later.rrset_id = dns_records_change.rrset_id)
"""
_SEEN = """
SELECT each->>'address', (each->>'serial')::bigint
FROM dns_records_change, jsonb_array_elements(nameservers) AS each
WHERE name = ANY(%s) AND status = 'verified'
"""


def states(trial: Trial) -> set[str]:
    """Return the states of the latest change of each name."""
    return {state for state, in trial.stack.rows(_STATES, trial.workload.names)}


def serial(stack: FaultStack, server: str) -> int:
    """Return the serial that a name server has."""
    (soa,) = stack.resolve(ZONE, "SOA", server)
    return int(soa.split()[2])


def test_the_secondary_is_down_and_then_behind(run: Run, stack: FaultStack) -> None:
    _, secondary = stack.servers[ZONE]
    with run("33 secondary down, behind", ZONE) as trial:
        trial.write(1)
        trial.go_on()
        before = serial(stack, secondary)
        stack.kill("bind-secondary")
        trial.write(1)
        # The primary has it all; that alone is not what "verified" means.
        until(lambda: states(trial) == {"applied"} or None, "all is applied")
        primary = stack.pid("bind")
        os.kill(primary, signal.SIGSTOP)
        try:
            # It is back, with its old copy, and cannot get another.
            stack.start("bind-secondary")
            assert serial(stack, secondary) == before
            assert states(trial) == {"applied"}
        finally:
            os.kill(primary, signal.SIGCONT)
        trial.faults = 2
    assert states(trial) == {"verified"}


def test_the_serial_comes_round(run: Run, stack: FaultStack) -> None:
    first, second = stack.servers[ZONE]
    with run("33 serial wraps at 2^32", ZONE) as trial:
        # A serial may be raised by less than half a circle (RFC 1982 section 3.1).
        start = serial(stack, first)
        # Three writers make one to three messages in a round: none of the first round
        # comes round, and one of the four does.
        for number in (start + HALF_A_CIRCLE - 1, LAST - 3):
            raise_serial(stack, number)
        trial.faults = 2
        for _ in range(4):
            trial.write(1)
            trial.go_on()
    assert 0 < serial(stack, first) < HALF_A_CIRCLE
    seen = stack.rows(_SEEN, trial.workload.names)
    for address in (first, second):
        serials = {number for own, number in seen if own == address}
        assert any(number > HALF_A_CIRCLE for number in serials)
        assert any(number < HALF_A_CIRCLE for number in serials)


def raise_serial(stack: FaultStack, number: int) -> None:
    """Give the zone a serial, and wait until the secondary has it."""
    first, second = stack.servers[ZONE]
    soa = f"ns1.{ZONE} hostmaster.{ZONE} {number} 60 1 86400 60"
    assert stack.update(first, tsig.OURS, ZONE, ZONE, "300", "SOA", soa) == "NOERROR"
    until(
        lambda: serial(stack, second) == number or None,
        f"the secondary has serial {number}",
    )
