"""What networks do to messages, and name servers that stop: nothing acts twice."""

from __future__ import annotations

import os
import signal
import time

import dns.message
import pytest

from dnsorch.tests.e2e.harness import until
from dnsorch.tests.faults.answers import PREREQUISITE_FAILED, rcode
from dnsorch.tests.faults.proxy import Fault, Rule, is_batch
from dnsorch.tests.faults.scenarios.conftest import Run
from dnsorch.tests.faults.stack import FaultStack
from dnsorch.tests.services.harness import ZONE

both = pytest.mark.parametrize("zone", ["bind", "powerdns"], indirect=True)


def signed_until(unit: bytes) -> int:
    """Return when a server will refuse a DNS message over TCP for its age."""
    tsig = dns.message.from_wire(unit[2:], keyring=False).tsig
    assert tsig is not None
    return int(tsig[0].time_signed) + int(tsig[0].fudge)


@both
@pytest.mark.parametrize("fault", [Fault.DROP_REPLY, Fault.CUT_REPLY])
def test_the_answer_is_lost(
    run: Run, stack: FaultStack, zone: str, fault: Fault
) -> None:
    with run(f"6 answer lost, {fault.name}", zone) as trial:
        rule = stack.link(zone).add(Rule(fault, is_batch, times=1))
        trial.write(3)
        until(lambda: rule.met or None, "an UPDATE loses its answer")
        trial.faults = rule.met
        trial.write(2)
    # The marker says that it was applied: no second message.
    assert trial.evidence.batches[0].status == "applied"
    assert trial.applied_twice() == []


@both
def test_a_message_arrives_after_its_time(
    run: Run, stack: FaultStack, zone: str
) -> None:
    with run("7 delivered after its time", zone) as trial:
        link = stack.link(zone)
        rule = link.add(Rule(Fault.HOLD, is_batch, times=1))
        trial.write(3)
        until(lambda: rule.met or None, "an UPDATE is held")
        trial.faults = rule.met
        trial.go_on()
        before = trial.observer.added()
        over = signed_until(link.held[0])
        until(lambda: time.time() > over + 1 or None, "its signature is over")
        expected = "NOTAUTH" if zone == ZONE else "REFUSED"
        assert [rcode(answer) for answer in link.release()] == [expected]
        assert trial.observer.added() == before
    assert trial.evidence.batches[0].status == "not_applied"
    assert trial.applied_twice() == []


@both
def test_a_message_arrives_twice(run: Run, stack: FaultStack, zone: str) -> None:
    with run("8 delivered twice", zone) as trial:
        proxy = stack.link(zone)
        proxy.duplicates.clear()
        rule = proxy.add(Rule(Fault.DUPLICATE, is_batch, times=3))
        while rule.met < 3:
            trial.write(1)
            trial.go_on()
        trial.faults = rule.met
        assert len(proxy.duplicates) == 3
        assert {rcode(answer) for answer in proxy.duplicates} <= PREREQUISITE_FAILED
    assert trial.applied_twice() == []


@both
def test_the_name_server_stands_still(run: Run, stack: FaultStack, zone: str) -> None:
    pid = stack.pid("bind" if zone == ZONE else "powerdns")
    with run("9 name server stopped", zone) as trial:
        trial.write(1)
        os.kill(pid, signal.SIGSTOP)
        try:
            trial.faults = 1
            trial.write(3)
            # What it has in its sockets it will apply, long after we gave up.
            until(
                lambda: stack.silences(zone) > 1 or None,
                "messages went unanswered",
            )
        finally:
            os.kill(pid, signal.SIGCONT)
        trial.write(1)
    assert trial.applied_twice() == []


def test_the_network_is_slow_and_breaks(run: Run, stack: FaultStack) -> None:
    with run("every link slow, then cut", ZONE, stack.powerdns_zone) as trial:
        links = list(stack.proxies.values())
        for proxy in links:
            proxy.add(Rule(Fault.DELAY, seconds=0.01))
        trial.write(3)
        cut = sum(proxy.cut() for proxy in links)
        trial.write(3)
        trial.faults = len(links) + cut
    assert trial.applied_twice() == []
