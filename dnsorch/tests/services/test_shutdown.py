"""SIGTERM on each process under load, one after the other, as a roll-out does."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import threading
import time
import uuid
from collections import Counter
from collections.abc import Iterator
from itertools import cycle

import httpx
import pytest

from dnsorch.tests.e2e.harness import (
    ROOT,
    TOPICS,
    changeset,
    free_ports,
    in_parallel,
    record,
    until,
)
from dnsorch.tests.services.harness import ZONE, RealStack, change, unique

# What a process may take to finish or hand back its work.
GRACE_S = 20.0


@pytest.fixture
def two_apis(stack: RealStack) -> Iterator[list[str]]:
    """Run a second API; give both origins."""
    (port,) = free_ports(1)
    command = stack.commands["api"]
    stack.commands["api2"] = f"export DNSORCH_PORT_API={port}; {command}"
    stack.start("api2")
    origin = f"http://127.0.0.1:{port}"

    def alive() -> bool | None:
        try:
            return httpx.get(f"{origin}/livez").is_success or None
        except httpx.TransportError:
            return None

    until(alive, "the second API answers")
    yield [str(stack.about["api"]), origin]
    stack.kill("api2")
    del stack.commands["api2"]


class Load:
    """Clients that post without a pause, through whichever API takes it."""

    def __init__(self, stack: RealStack, origins: list[str]) -> None:
        self.stack, self.origins = stack, origins
        self.mark = uuid.uuid4().hex[:8]
        self.codes: Counter[int] = Counter()
        self.keys: list[str] = []
        self.over = threading.Event()

    def client(self, number: int) -> None:
        """Post until it is over; where a connection breaks, ask the other API."""
        headers = {"Authorization": f"Bearer {self.stack.about['token']}"}
        for count in range(10_000):
            if self.over.is_set():
                return
            key = f"{self.mark}-{number}-{count}"
            body = record(f"roll-{key}.{ZONE}", "192.0.2.1")
            for origin in cycle(self.origins):
                try:
                    answer = httpx.post(
                        f"{origin}/api/v1/dns-records/",
                        json=body,
                        headers={**headers, "Idempotency-Key": key},
                        timeout=40,
                    )
                except httpx.TransportError:
                    continue  # drained, or not up yet
                self.codes[answer.status_code] += 1
                if answer.status_code == 202:
                    self.keys.append(key)
                break


def test_a_rolling_restart_loses_nothing_and_shows_no_error(
    stack: RealStack, two_apis: list[str]
) -> None:
    load = Load(stack, two_apis)
    clients = in_parallel(load.client, range(3), 3)
    ends = {}
    messages = []
    try:
        for name in ("api", "api2", "worker", "sweep", "consumer", "publisher"):
            sent = len(load.keys)
            until(lambda: len(load.keys) > sent + 5 or None, "the load goes on")
            key = f"{load.mark}-{name}"
            messages.append(key)
            owner = f"roll-{key}.{ZONE}"
            stack.produce([(key, changeset(ZONE, "create", owner, "192.0.2.2"))])
            ends[name] = terminate(stack, name)
            stack.start(name)
            if name.startswith("api"):
                origin = two_apis[name == "api2"]
                until(lambda: answers(origin), f"{name} is ready again")
    finally:
        load.over.set()
    for each in clients:
        each.result()
    assert {name: code for name, (code, _) in ends.items()} == dict.fromkeys(ends, 0)
    assert [name for name, (_, took) in ends.items() if took > GRACE_S] == []
    assert set(load.codes) == {202}
    requests = stack.settled([*load.keys, *messages])
    assert {request["status"] for request in requests} == {"completed"}


def terminate(stack: RealStack, name: str) -> tuple[int, float]:
    """Ask a process to end; return its exit code, and how long it took."""
    process = stack.running.pop(name)
    began = time.monotonic()
    process.send_signal(signal.SIGTERM)
    code = process.wait(timeout=2 * GRACE_S)
    return code, time.monotonic() - began


def answers(origin: str) -> bool | None:
    """Say whether an API is ready, None if it is not."""
    try:
        return httpx.get(f"{origin}/readyz").is_success or None
    except httpx.TransportError:
        return None


def test_pruning_under_load_takes_nothing_that_is_needed(stack: RealStack) -> None:
    """Everything final is old enough, and each step takes a few only."""
    names = [unique("prune") for _ in range(60)]
    posted = in_parallel(
        lambda name: stack.ask([change("create", name, "A", "192.0.2.1")]), names
    )
    prune = [sys.executable, "manage.py", "prune_requests"]
    forgotten = 0
    while not all(each.done() for each in posted):
        done = subprocess.run(
            [*prune, "--older-than", "0", "--batch", "5"],
            cwd=ROOT,
            env=stack.env,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            check=True,
            text=True,
        )
        line = next(each for each in done.stdout.splitlines() if "request(s)" in each)
        forgotten += int(line.split()[0])
    assert forgotten > 0
    ids = {each.result() for each in posted}
    for name in names:
        until(lambda: stack.resolve(name) or None, f"{name} is live")

    def published() -> Counter[str] | None:
        bodies = (json.loads(each.value() or b"") for each in stack.messages(TOPICS[1]))
        found = Counter(body["data"]["id"] for body in bodies)
        return found if ids <= set(found) else None

    # No outcome was forgotten before it was published.
    outcomes = until(published, "every outcome is published")
    assert {outcomes[request_id] for request_id in ids} == {1}
