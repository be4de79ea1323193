"""Very many clients at once: each asks for one change, and asks only once."""

from __future__ import annotations

import json
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from http.client import HTTPConnection
from urllib.parse import urlsplit

from confluent_kafka import Producer

from dnsorch.tests import real
from dnsorch.tests.e2e.harness import TOPICS
from dnsorch.tests.faults.evidence import Asked
from dnsorch.tests.faults.trial import Trial
from dnsorch.tests.services.harness import change

#: At the same time, each client on a connection of its own.
CONNECTIONS = 200
PATIENCE_S = 600.0


class Crowd:
    """Half of it comes over REST, half over Kafka; all write to the same RRsets."""

    def __init__(self, trial: Trial, count: int, *, per_zone: int) -> None:
        """Have ``count`` clients, and ``per_zone`` RRsets for them in each zone."""
        self.trial = trial
        label, zones = trial.workload.label, trial.workload.zones
        self.places = [
            (zone, f"{label}-{number}.{zone}")
            for zone in zones
            for number in range(per_zone)
        ]
        self.posts = [
            (*self.places[number % len(self.places)], number + 1)
            for number in range(count)
        ]
        trial.workload.others += [name for _, name in self.places]

    def come(self) -> None:
        """Have the RRsets; then have everybody write at the same time."""
        stack = self.trial.stack
        for zone in self.trial.workload.zones:
            names = [name for own, name in self.places if own == zone]
            stack.ask([change("create", name, "TXT", '"0"') for name in names], zone)
        half = len(self.posts) // 2
        self._produce(self.posts[:half])
        with ThreadPoolExecutor(CONNECTIONS) as pool:
            self.trial.workload.history += pool.map(self._put, self.posts[half:])

    def _produce(self, posts: Sequence[tuple[str, str, int]]) -> None:
        bootstrap = real.setting("KAFKA_BOOTSTRAP_SERVERS")
        producer = Producer({"bootstrap.servers": bootstrap})
        for zone, name, number in posts:
            changes = [change("replace", name, "TXT", f'"{number}"')]
            producer.produce(
                TOPICS[0],
                key=zone,
                value=json.dumps({"zone": zone, "changes": changes}),
                headers={"idempotency-key": f"{name}={number}"},
            )
        assert producer.flush(PATIENCE_S) == 0
        self.trial.workload.history += [
            Asked(f"{name}={number}", name, number, "kafka")
            for _, name, number in posts
        ]

    def _put(self, post: tuple[str, str, int]) -> Asked:
        zone, name, number = post
        key = f"{name}={number}"
        about = self.trial.stack.about
        api = HTTPConnection(urlsplit(about["api"]).netloc, timeout=PATIENCE_S)
        with closing(api):
            # The body right after the header: those who dawdle get a 503.
            api.request(
                "PUT",
                f"/api/v2/zones/{zone}/rrsets/{name}/TXT/",
                json.dumps({"ttl": 60, "records": [f'"{number}"']}),
                {
                    "Authorization": f"Bearer {about['token']}",
                    "Content-Type": "application/json",
                    "Idempotency-Key": key,
                },
            )
            answer = api.getresponse()
            body = json.loads(answer.read())
        request_id = body["id"] if answer.status == 202 else None
        return Asked(key, name, number, "rest", (answer.status,), request_id)
