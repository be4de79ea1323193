"""What all figures share: the stack, how large they are, and processes of clients."""

from __future__ import annotations

import itertools
import json
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import dns.message
import dns.query
import psycopg2

from dnsorch.bench.rows import DIGITS, Template, read
from dnsorch.bench.stack import DELIVERY, LISTS, SINGLE, BenchStack
from dnsorch.tests.e2e.harness import ROOT

V1, V2 = "/api/v1/dns-records/", "/api/v2/changesets/"
BATCH = "/api/v2/changesets/batch/"
#: 207 is a batch's; what became of its items is seen in the tracker.
SUCCESS = {"200", "201", "202", "207"}


@dataclass(frozen=True)
class Sizes:
    """How many of everything; times of less than a second tell little."""

    single: int = 1000
    connections: tuple[int, ...] = (1, 8, 32)
    batches: int = 10
    items: int = 500
    probes: int = 200
    burst: int = 10_000
    zones: int = 1000
    messages: int = 10_000
    requests: int = 2000
    rows: tuple[int, ...] = (10_000, 100_000)
    calls: int = 50
    hosts: int = 100_000


QUICK = Sizes(
    single=60,
    connections=(8,),
    batches=1,
    items=100,
    probes=15,
    burst=1000,
    zones=50,
    messages=500,
    requests=200,
    rows=(2000,),
    calls=10,
    hosts=1000,
)


@dataclass
class Bench:
    """A stack that is up, with its floor."""

    stack: BenchStack
    sizes: Sizes
    runs: int
    at_rest: dict[str, float] = field(default_factory=dict)
    _marks: Iterator[int] = field(default_factory=lambda: itertools.count(1))

    def start(self) -> None:
        """Start everything, and take the samples of which the floors make rows."""
        self.stack.up()
        with self.stack.paused(*DELIVERY):
            for version, zone in (("v1", SINGLE), ("v2", SINGLE), ("done", LISTS)):
                path = V1 if version == "v1" else V2
                body = self.body(path, f"sample-{version}.{zone}", zone)
                with self.stack.client() as client:
                    answer = client.post(path, content=body, headers=JSON)
                assert answer.status_code in (201, 202), answer.text
                request_id = answer.headers["X-Tracker-Request"]
                if version == "done":
                    done = request_id
                else:
                    self.stack.templates[version] = self._template(
                        request_id, version, answer.json()
                    )
        self.stack.final(done)
        self.stack.templates["done"] = self._template(done, "listed-", None)
        self.stack.start_floor()

    def _template(self, request_id: str, mark: str, answer: Any) -> Template:
        connection = psycopg2.connect(self.stack.env["DATABASE_URL"])
        try:
            with connection, connection.cursor() as cursor:
                return read(cursor, request_id, mark, answer)
        finally:
            connection.close()

    def mark(self) -> str:
        """Return what the names of one load begin with."""
        return f"m{next(self._marks)}-"

    def block(self) -> int:
        """Return the first of very many numbers that nobody else uses for rows."""
        number: int = next(self._marks) * 10 ** (DIGITS - 3)
        return number

    @staticmethod
    def body(path: str, name: str, zone: str, address: str = "192.0.2.1") -> str:
        """Return the JSON of one request to create an A record."""
        if path == V1:
            record = {"name": name, "type": "A", "value": address, "ttl": 300}
            return json.dumps({**record, "zone": zone})
        return json.dumps(changeset(name, zone, address))

    def batches(self, mark: str, count: int, zones: list[str]) -> list[str]:
        """Return bodies of batches of change sets, which go round the zones."""
        size = self.sizes.items
        items = [
            {"changeset": changeset(name, zone, address)}
            for name, zone, address in self.records(mark, count, zones)
        ]
        return [
            json.dumps({"items": items[start : start + size]})
            for start in range(0, count, size)
        ]

    @staticmethod
    def records(
        mark: str, count: int, zones: list[str]
    ) -> Iterator[tuple[str, str, str]]:
        """Yield name, zone and address of so many records, round the zones."""
        for number in range(count):
            zone = zones[number % len(zones)]
            address = f"192.0.{2 + number // 250 % 200}.{1 + number % 250}"
            yield f"{mark}{number}.{zone}", zone, address

    def load(self, kind: str, **job: Any) -> dict[str, Any]:
        """Have a process of its own do a job; return what it measured."""
        done = subprocess.run(
            [sys.executable, "-m", "dnsorch.bench.loads"],
            cwd=ROOT,
            input=json.dumps({"kind": kind, **job}),
            stdout=subprocess.PIPE,
            text=True,
            check=True,
        )
        found: dict[str, Any] = json.loads(done.stdout)
        return found

    def post(self, path: str, bodies: list[str], connections: int) -> dict[str, Any]:
        """Post to the API, or to the floor; every answer has to be a success."""
        origin = self.stack.about["floor" if path.startswith("/floor/") else "api"]
        done = self.load(
            "post",
            url=origin + path,
            token=self.stack.about["token"],
            bodies=bodies,
            connections=connections,
        )
        assert set(done["statuses"]) <= SUCCESS, done["statuses"]
        return done

    def served(self, name: str, address: str) -> None:
        """Make sure that both name servers answer with a record.

        Raises:
            AssertionError: one does not.
        """
        for port in self.stack.nameservers.ports:
            question = dns.message.make_query(name, "A")
            answer = dns.query.udp(question, "127.0.0.1", 5, port).answer
            assert answer and answer[0][0].to_text() == address, f"{name}: {answer}"


JSON = {"Content-Type": "application/json"}


def changeset(name: str, zone: str, address: str) -> dict[str, Any]:
    """Return a change set that creates one A RRset."""
    change = {"action": "create", "name": name, "type": "A", "ttl": 300}
    return {"zone": zone, "changes": [{**change, "records": [address]}]}


def since(moment: float) -> str:
    """Return the smallest UUIDv7 of a moment, in seconds since 1970."""
    digits = f"{int(moment * 1000):012x}"
    return f"{digits[:8]}-{digits[8:]}-7000-8000-000000000000"


def begin() -> tuple[str, float]:
    """Return the smallest id of what comes from now on, and now."""
    now = time.time()
    return since(now), now
