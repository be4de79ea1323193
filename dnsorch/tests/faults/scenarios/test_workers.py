"""Workers that die or stand still in the middle of an UPDATE."""

from __future__ import annotations

import os
import random
import signal
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from dnsorch.tests.e2e.harness import until
from dnsorch.tests.faults.proxy import Fault, Rule, is_update
from dnsorch.tests.faults.scenarios.conftest import Run
from dnsorch.tests.faults.stack import LEASE_S, WORKERS, FaultStack, await_fired
from dnsorch.tests.services.harness import ZONE

both = pytest.mark.parametrize("zone", ["bind", "powerdns"], indirect=True)
PAUSES = 50


@both
def test_killed_before_sending(run: Run, zone: str) -> None:
    with run("1 killed before sending", zone) as trial:
        (fired,) = trial.arm("before_send=exit")
        trial.write(3)
        await_fired(fired)
        trial.write(2)
    # What it held is decided as not applied, and sent once under another number.
    victim = trial.evidence.batches[0]
    assert victim.status == "not_applied"
    assert trial.applied_twice() == []


@both
@pytest.mark.parametrize(
    ("place", "name"),
    [
        ("after_send", "2 killed after sending"),
        ("before_commit", "3 before the commit"),
    ],
)
def test_killed_twice(run: Run, zone: str, place: str, name: str) -> None:
    with run(f"{name}, twice", zone) as trial:
        fired = trial.arm(f"{place}=exit", "after_takeover=exit")
        trial.write(3)
        for file in fired:
            await_fired(file)
        trial.write(2)
    # Two takeovers later it is still known that the server had applied it.
    victim = trial.evidence.batches[0]
    assert victim.status == "applied"
    assert trial.applied_twice() == []


@pytest.mark.parametrize(
    ("zone", "place"),
    [
        ("bind", "after_wal"),
        ("bind", "before_send"),
        ("bind", "after_send"),
        ("bind", "after_probe"),
        ("powerdns", "before_send"),
    ],
    indirect=["zone"],
)
def test_paused_past_the_lease(
    run: Run, stack: FaultStack, zone: str, place: str
) -> None:
    with run(f"4 paused {place}", zone) as trial:
        lost = stack.logged("lease lost", *WORKERS)
        (fired,) = trial.arm(f"{place}=stop")
        trial.write(2)
        zombie = stack.await_stopped(fired)
        trial.write(2)
        # Another worker does it all; then the first one wakes up in the past.
        trial.go_on()
        before = trial.observer.added()
        sent = stack.link(zone).add(Rule(Fault.NOTE, is_update))
        os.kill(zombie, signal.SIGCONT)
        until(
            lambda: stack.logged("lease lost", *WORKERS) > lost or None,
            "the zombie notices",
        )
        assert sent.met == 0
        assert trial.observer.added() == before
    assert trial.applied_twice() == []


@pytest.mark.parametrize(
    "points", [("before_commit",), ("before_send=exit", "after_takeover")]
)
def test_paused_with_rows_locked_or_the_marker_taken(
    run: Run, stack: FaultStack, zone: str, points: tuple[str, ...]
) -> None:
    *first, place = points
    with run(f"4 paused {place}", zone) as trial:
        *_, fired = trial.arm(*first, f"{place}=stop")
        trial.write(2)
        zombie = stack.await_stopped(fired)
        trial.write(2)
        trial.go_on()
        os.kill(zombie, signal.SIGCONT)
        trial.write(2)
    assert trial.applied_twice() == []


def test_paused_again_and_again(run: Run, stack: FaultStack, seed: int) -> None:
    with run("5 random pauses", ZONE, stack.powerdns_zone) as trial:
        stop = threading.Event()

        def pause(worker: str) -> None:
            draw = random.Random(f"{seed} {worker}")
            for _ in range(PAUSES // len(WORKERS)):
                for process in stack.processes(worker):
                    process.send_signal(signal.SIGSTOP)
                # Longer than the lease, mostly.
                time.sleep(LEASE_S * (0.8 + draw.random()))
                for process in stack.processes(worker):
                    process.send_signal(signal.SIGCONT)
                time.sleep(draw.random() * LEASE_S / 2)

        def write() -> None:
            while not stop.is_set():
                trial.write(2)

        with ThreadPoolExecutor(len(WORKERS) + 1) as pool:
            writing = pool.submit(write)
            pausing = [pool.submit(pause, worker) for worker in WORKERS]
            for each in pausing:
                each.result()
            stop.set()
            writing.result()
        trial.faults = PAUSES
    assert trial.applied_twice() == []


def test_the_whole_lot_stands_still(run: Run, stack: FaultStack) -> None:
    with run("5 all workers paused", ZONE, stack.powerdns_zone) as trial:
        trial.write(2)
        everybody = [*WORKERS, "sweep"]
        for name in everybody:
            for process in stack.processes(name):
                process.send_signal(signal.SIGSTOP)
        trial.faults = len(everybody)
        time.sleep(10 * LEASE_S)
        trial.write(2)
    assert trial.applied_twice() == []
