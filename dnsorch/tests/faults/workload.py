"""Increasing numbers in TXT RRsets, over REST and Kafka, and every answer to them."""

from __future__ import annotations

import json
import random
import statistics
import threading
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

import httpx
from confluent_kafka import Producer

from dnsorch.tests import real
from dnsorch.tests.e2e.harness import TOPICS
from dnsorch.tests.faults.evidence import Asked
from dnsorch.tests.faults.stack import FaultStack

PATIENCE_S = 60.0
PACE_S = 0.02
# What a client with an idempotency key sends again.
AGAIN = {0, 409, 429, 500, 502, 503, 504}


@dataclass
class Workload:
    """Writers that each own an RRset and write 1, 2, 3 ... into it.

    What is asked for depends on the seed alone; each change has a key of its own.
    """

    stack: FaultStack
    label: str
    zones: Sequence[str]
    seed: int = 0
    rest: int = 2
    kafka: int = 1
    history: list[Asked] = field(default_factory=list)
    seconds: list[float] = field(default_factory=list)
    written: dict[str, int] = field(default_factory=dict)
    others: list[str] = field(default_factory=list)
    _seen: int = 0
    _lock: threading.Lock = field(default_factory=threading.Lock)

    @property
    def p99_s(self) -> float:
        """How long the answers to 99 of 100 posts took at most, in seconds."""
        return statistics.quantiles(self.seconds, n=100, method="inclusive")[-1]

    @property
    def names(self) -> list[str]:
        """The owner names of this workload: the writers' and those of others."""
        return [name for _, name, _ in self._writers()] + self.others

    def write(self, count: int) -> None:
        """Have each writer write ``count`` more numbers; return once all are told."""
        writers = list(self._writers())
        assert writers, "this workload has no writer"
        with ThreadPoolExecutor(len(writers)) as pool:
            futures = [pool.submit(self._write, *each, count) for each in writers]
        for future in futures:
            future.result()

    def advanced(self) -> bool:
        """Say whether a client was answered since this was asked last."""
        count = len(self.history)
        before, self._seen = self._seen, count
        return count > before

    def _writers(self) -> list[tuple[str, str, str]]:
        doors = ["rest"] * self.rest + ["kafka"] * self.kafka
        return [
            (zone, f"{self.label}-{number}.{zone}", door)
            for zone in self.zones
            for number, door in enumerate(doors)
        ]

    def _write(self, zone: str, name: str, door: str, count: int) -> None:
        pace = random.Random(f"{self.seed} {name.removeprefix(self.label)}")
        first = self.written.get(name, 0) + 1
        self.written[name] = first + count - 1
        numbers = range(first, first + count)
        if door == "kafka":
            self._produce(zone, name, numbers)
            return
        with httpx.Client(
            base_url=f"http://{self.stack.proxies['api'].address}",
            headers={"Authorization": f"Bearer {self.stack.about['token']}"},
            timeout=15,
        ) as client:
            for number in numbers:
                self._put(client, zone, name, number)
                time.sleep(pace.random() * PACE_S)

    def _put(self, client: httpx.Client, zone: str, name: str, number: int) -> None:
        """Put the RRset until an answer comes that settles it."""
        path = f"/api/v2/zones/{zone}/rrsets/{name}/TXT/"
        body = {"ttl": 60, "records": [f'"{number}"']}
        statuses: list[int] = []
        request_id = None
        started = time.monotonic()
        while time.monotonic() < started + PATIENCE_S:
            began = time.monotonic()
            headers = {"Idempotency-Key": f"{name}={number}"}
            try:
                answer = client.put(path, json=body, headers=headers)
            except httpx.TransportError:
                statuses.append(0)
            else:
                statuses.append(answer.status_code)
                self.seconds.append(time.monotonic() - began)
                if answer.status_code == 202:
                    request_id = answer.json()["id"]
            if statuses[-1] not in AGAIN:
                break
            time.sleep(0.1)
        assert statuses[-1] in {202, *AGAIN}, answer.text
        asked = Asked(
            f"{name}={number}", name, number, "rest", tuple(statuses), request_id
        )
        with self._lock:
            self.history.append(asked)

    def _produce(self, zone: str, name: str, numbers: range) -> None:
        producer = Producer(
            {
                "bootstrap.servers": real.setting("KAFKA_BOOTSTRAP_SERVERS"),
                "enable.idempotence": True,
            }
        )
        for number in numbers:
            change = {
                "action": "create" if number == 1 else "replace",
                "name": name,
                "type": "TXT",
                "ttl": 60,
                "records": [f'"{number}"'],
            }
            producer.produce(
                TOPICS[0],
                key=zone,
                value=json.dumps({"zone": zone, "changes": [change]}),
                headers={"idempotency-key": f"{name}={number}"},
            )
        assert producer.flush(PATIENCE_S) == 0
        with self._lock:
            self.history += [
                Asked(f"{name}={number}", name, number, "kafka") for number in numbers
            ]
