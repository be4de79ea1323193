"""Faults drawn at random, the same ones for the same seed."""

from __future__ import annotations

import signal
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from random import Random

import psutil

from dnsorch import failpoints
from dnsorch.tests.faults.proxy import Fault, Rule
from dnsorch.tests.faults.stack import WORKERS, FaultStack
from dnsorch.tests.faults.trial import Trial

SHORTEST_S, LONGEST_S = 0.2, 2.0
#: Killed as a whole; the others live all along, so that their memory tells something.
KILLED = ("worker-2", "sweep")
PAUSED = (*WORKERS, "sweep", "api", "consumer", "publisher")
RESTARTED = ("broker", "postgresql", "bind", "bind-secondary", "powerdns")
STOPPED = ("redis", "kafka", "bind", "bind-secondary", "powerdns")
# Where a process may die; those of the API and of Kafka's two end with it, and nothing
# is imported.
PLACES = tuple(
    place
    for place in failpoints.PLACES
    if place not in ("after_accept", "after_post", "after_produce", "after_import_page")
)
BRIEF = (Fault.DELAY, Fault.RESET, Fault.BLACK_HOLE, Fault.DROP_REPLY, Fault.CUT_REPLY)


@contextmanager
def killed(stack: FaultStack, draw: Random) -> Iterator[None]:
    """Kill a process with SIGKILL, and start it a little later."""
    name = draw.choice(KILLED)
    stack.kill(name)
    yield
    stack.start(name)


@contextmanager
def paused(stack: FaultStack, draw: Random) -> Iterator[None]:
    """Stop a process and its children with SIGSTOP, and let them go on."""
    processes = stack.processes(draw.choice(PAUSED))
    for process in processes:
        process.send_signal(signal.SIGSTOP)
    yield
    for process in processes:
        if process.is_running():
            process.send_signal(signal.SIGCONT)


@contextmanager
def stopped(stack: FaultStack, draw: Random) -> Iterator[None]:
    """Stop a service with SIGSTOP, and let it go on."""
    process = psutil.Process(stack.pid(draw.choice(STOPPED)))
    process.send_signal(signal.SIGSTOP)
    try:
        yield
    finally:
        process.send_signal(signal.SIGCONT)


@contextmanager
def restarted(stack: FaultStack, draw: Random) -> Iterator[None]:
    """Kill a service, and start it a little later on the data that it has."""
    name = draw.choice(RESTARTED)
    stack.kill(name)
    try:
        yield
    finally:
        stack.start(name)


@contextmanager
def disturbed(stack: FaultStack, draw: Random) -> Iterator[None]:
    """Have a link delay, swallow, reset, or lose answers."""
    proxy = stack.proxies[draw.choice(sorted(stack.proxies))]
    proxy.add(Rule(draw.choice(BRIEF), seconds=0.1))
    yield
    proxy.heal()


@contextmanager
def cut(stack: FaultStack, draw: Random) -> Iterator[None]:
    """Reset every connection of a link."""
    stack.proxies[draw.choice(sorted(stack.proxies))].cut()
    yield


@contextmanager
def armed(stack: FaultStack, draw: Random) -> Iterator[None]:
    """Have a worker die at a place of its work, once."""
    stack.arm(f"{draw.choice(PLACES)}=exit")
    yield
    stack.disarm()


Plague = Callable[[FaultStack, Random], AbstractContextManager[None]]
FAULTS: tuple[Plague, ...] = (
    killed,
    paused,
    stopped,
    restarted,
    disturbed,
    cut,
    armed,
)


@dataclass
class Nemesis:
    """Draws a fault, keeps it up for a while, ends it; and again."""

    stack: FaultStack
    seed: int
    done: Counter[str] = field(default_factory=Counter)

    def __post_init__(self) -> None:
        """Begin the sequence of this seed."""
        self._draw = Random(self.seed)

    def rage(self, seconds: float) -> None:
        """Do so for so long."""
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            plague = self._draw.choice(FAULTS)
            with plague(self.stack, self._draw):
                self.done[plague.__name__] += 1
                time.sleep(self._draw.uniform(SHORTEST_S, LONGEST_S))
            time.sleep(self._draw.uniform(0, SHORTEST_S))


def suffer(trial: Trial, nemesis: Nemesis, seconds: float) -> None:
    """Write all the time while the nemesis rages."""
    with ThreadPoolExecutor(1) as pool:
        raging = pool.submit(nemesis.rage, seconds)
        while not raging.done():
            trial.write(2)
        raging.result()
    trial.faults = sum(nemesis.done.values())
