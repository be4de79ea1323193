"""Redis and PostgreSQL go away, forget, and come back."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest
import redis

from dnsorch.tests import real
from dnsorch.tests.e2e.harness import until
from dnsorch.tests.faults.proxy import Fault, Rule, is_commit
from dnsorch.tests.faults.scenarios.conftest import Run
from dnsorch.tests.faults.stack import FaultStack
from dnsorch.tests.services.harness import ZONE

QUEUE = "dnsorch:dnsorch.lane"
_HINTS = """
import random
from dnsorch.celery import app
from dns_records.models import Zone
tasks = ["dns_records.deliver", "dns_records.verify"] * ({times} // 2)
random.Random({seed}).shuffle(tasks)
zone = Zone.objects.get(name="example.test.")
for task in tasks:
    app.send_task(task, args=[zone.pk])
print(json.dumps(len(tasks)))
"""


def broker() -> redis.Redis:
    """Return a client of the broker, past its proxy."""
    url = real.setting("CELERY_BROKER_URL").rstrip("0") + "1"
    client: redis.Redis = redis.Redis.from_url(url)
    return client


def test_redis_is_killed_and_comes_back(run: Run, stack: FaultStack) -> None:
    with run("15 Redis killed", ZONE, stack.powerdns_zone) as trial:
        for _ in range(2):
            trial.write(2)
            stack.kill("broker")
            trial.write(2)
            stack.start("broker")
        trial.faults = 2
    assert trial.applied_twice() == []


@pytest.mark.parametrize("fault", [Fault.RESET, Fault.BLACK_HOLE])
def test_redis_is_away(run: Run, stack: FaultStack, fault: Fault) -> None:
    with run(f"15 Redis away, {fault.name}", ZONE, stack.powerdns_zone) as trial:
        stack.proxies["redis"].add(Rule(fault))
        trial.faults = 1
        trial.write(5)
        # The sweep alone delivers; clients notice nothing.
        trial.go_on()
    assert {asked.statuses for asked in trial.evidence.asked} == {(202,), ()}
    assert trial.workload.p99_s < 1
    assert trial.applied_twice() == []


def test_redis_forgets_everything(run: Run, stack: FaultStack) -> None:
    with run("16 FLUSHALL", ZONE, stack.powerdns_zone) as trial:
        with ThreadPoolExecutor(1) as pool, broker() as client:
            writing = pool.submit(trial.write, 8)
            while not writing.done():
                client.flushall()
                trial.faults += 1
                until(
                    lambda: writing.done() or trial.workload.advanced() or None,
                    "a client gets an answer",
                )
    assert trial.applied_twice() == []


def test_hints_come_a_hundred_times(run: Run, stack: FaultStack, seed: int) -> None:
    with run("17 hints doubled", ZONE) as trial:
        hints = _HINTS.format(times=100, seed=seed)
        with ThreadPoolExecutor(1) as pool:
            shuffled = pool.submit(stack.shell, hints)
            while not shuffled.done():
                trial.write(1)
            trial.faults = shuffled.result()
        trial.go_on()
        before = trial.observer.added()
        # Without work they lead to no message at all.
        trial.faults += stack.shell(hints)
        with broker() as client:
            until(lambda: client.llen(QUEUE) == 0 or None, "all hints are taken")
        assert trial.observer.added() == before
    assert trial.applied_twice() == []


def test_commits_go_unanswered(run: Run, stack: FaultStack) -> None:
    with run("18 COMMIT without answer", ZONE, stack.powerdns_zone) as trial:
        rule = Rule(Fault.CUT_REPLY, is_commit, times=12)
        stack.proxies["postgresql"].add(rule)
        trial.write(6)
        until(lambda: rule.met == rule.times or None, "every fault happens")
        trial.faults = rule.met
    assert trial.applied_twice() == []


def test_connections_to_postgresql_are_cut(run: Run, stack: FaultStack) -> None:
    with run("18 PostgreSQL cut off", ZONE, stack.powerdns_zone) as trial:
        with ThreadPoolExecutor(1) as pool:
            writing = pool.submit(trial.write, 8)
            while not writing.done():
                trial.faults += stack.proxies["postgresql"].cut()
                until(
                    lambda: writing.done() or trial.workload.advanced() or None,
                    "a client gets an answer",
                )
    assert trial.applied_twice() == []


def test_postgresql_is_killed(run: Run, stack: FaultStack) -> None:
    with run("18 PostgreSQL killed", ZONE, stack.powerdns_zone) as trial:
        trial.write(1)
        with ThreadPoolExecutor(1) as pool:
            writing = pool.submit(trial.write, 4)
            # At once and without a checkpoint: what starts then recovers from its WAL.
            stack.kill("postgresql")
            stack.start("postgresql")
            writing.result()
        trial.faults = 1
    assert trial.applied_twice() == []
