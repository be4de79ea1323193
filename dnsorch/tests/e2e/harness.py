"""The embedded stack as processes, each of which a test may kill and start again."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

import dns.message
import dns.query
import httpx
from confluent_kafka import (
    OFFSET_BEGINNING,
    Consumer,
    Message,
    Producer,
    TopicPartition,
)
from django.conf import settings

T = TypeVar("T")
ROOT: Path = settings.BASE_DIR
FINAL = {"completed", "failed", "rejected", "cancelled"}
TOPICS = ("dnsorch.requests", "dnsorch.outcomes", "dnsorch.requests.dlq")
PATIENCE = 60.0

# In a process of its own: the settings of this one are those of the tests.
PREPARE = """
import json, sys
from pathlib import Path
import django
django.setup()
from dnsorch.embedded import stack
from dnsorch.embedded.management.commands import run_stack
run_stack.prepare(Path(sys.argv[1]))
print(json.dumps([stack.processes(), stack.environment()]))
"""


def free_ports(count: int) -> list[int]:
    """Return ports that were free a moment ago, all different."""
    with ExitStack() as held:
        sockets = [held.enter_context(socket.socket()) for _ in range(count)]
        for each in sockets:
            each.bind(("127.0.0.1", 0))
        return [each.getsockname()[1] for each in sockets]


def variables(directory: Path) -> dict[str, str]:
    """Return an environment in which a stack disturbs no other one.

    The lease of a killed worker or publisher and the partitions of a killed consumer
    come free sooner than they would by default.
    """
    ours = ("DNSORCH_", "KAFKA_", "CELERY_", "DATABASE_URL")
    inherited = {k: v for k, v in os.environ.items() if not k.startswith(ours)}
    api, dns_port, kafka = free_ports(3)
    return {
        **inherited,
        "DJANGO_SETTINGS_MODULE": "dnsorch.settings",
        "DNSORCH_VAR_DIR": str(directory),
        "DNSORCH_PORT_API": str(api),
        "DNSORCH_PORT_DNS": str(dns_port),
        "DNSORCH_PORT_KAFKA": str(kafka),
        "DNSORCH_LEASE_S": "12",
        "KAFKA_PUBLISHER_LEASE_S": "9",
        "KAFKA_CLIENT_OPTIONS": '{"session.timeout.ms": 6000}',
    }


def manage(*words: str, env: Mapping[str, str], **options: Any) -> Any:
    """Start ``manage.py`` with its output in a pipe; return the process."""
    command = [sys.executable, "manage.py", *words]
    defaults: dict[str, Any] = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT}
    return subprocess.Popen(
        command, cwd=ROOT, env=dict(env), text=True, **{**defaults, **options}
    )


def until(look: Callable[[], T | None], what: str, seconds: float = PATIENCE) -> T:
    """Return what ``look`` returns as soon as that is not None."""
    deadline = time.monotonic() + seconds
    while True:
        found = look()
        if found is not None:
            return found
        assert time.monotonic() < deadline, f"not within {seconds:g} s: {what}"
        time.sleep(0.05)


@dataclass
class Stack:
    """One stack: its processes, and how a client reaches it."""

    directory: Path
    env: dict[str, str] = field(default_factory=dict)
    commands: dict[str, str] = field(default_factory=dict)
    running: dict[str, subprocess.Popen[bytes]] = field(default_factory=dict)
    about: dict[str, Any] = field(default_factory=dict)
    since: str = ""
    extra: Mapping[str, str] = field(default_factory=dict)
    # Variables of one process alone, by its name.
    own: Mapping[str, Mapping[str, str]] = field(default_factory=dict)

    def up(self) -> None:
        """Start everything and wait until both doors are open."""
        self.env = self.variables()
        prepared = subprocess.run(
            [
                sys.executable,
                "-c",
                PREPARE,
                str(self.directory / "stack.starting.json"),
            ],
            cwd=ROOT,
            env=self.env,
            stdout=subprocess.PIPE,
            check=True,
        )
        self.commands, self.env = json.loads(prepared.stdout.splitlines()[-1])
        for name in self.commands:
            self.start(name)
        guide = manage("show_stack", "--once", env=self.env)
        output, _ = guide.communicate(timeout=2 * PATIENCE)
        assert guide.returncode == 0, f"{output}\n{self.logs()}"
        self.about = json.loads((self.directory / "stack.json").read_text())

    def variables(self) -> dict[str, str]:
        """Return the environment of its processes."""
        return {**variables(self.directory), **self.extra}

    def down(self) -> None:
        """Kill everything: how a stack stops in an orderly way is tested elsewhere."""
        for name in list(self.running):
            self.kill(name)

    def start(self, name: str) -> None:
        """Start one process; its output goes to ``<name>.log``."""
        with (self.directory / f"{name}.log").open("ab") as log:
            self.running[name] = subprocess.Popen(
                ["/bin/sh", "-c", self.commands[name]],
                cwd=ROOT,
                env={**self.env, **self.own.get(name, {})},
                stdout=log,
                stderr=log,
                start_new_session=True,
            )

    def kill(self, name: str) -> None:
        """Kill one process and its children with SIGKILL, as a crash would."""
        process = self.running.pop(name)
        signal_group(process, signal.SIGKILL)
        process.wait()

    def logs(self, lines: int = 15) -> str:
        """Return the last lines of each process, for a failed test."""
        return "\n".join(
            f"--- {path.name}\n" + "\n".join(path.read_text().splitlines()[-lines:])
            for path in sorted(self.directory.glob("*.log"))
        )

    # --- REST

    def client(self) -> httpx.Client:
        """Return a client of the API with the stack's token."""
        return httpx.Client(
            base_url=self.about["api"],
            headers={"Authorization": f"Bearer {self.about['token']}"},
            timeout=40,
        )

    def get(self, path: str, **query: str) -> Any:
        """Return the JSON of a GET that has to succeed, if the API is there."""

        def look() -> httpx.Response | None:
            try:
                with self.client() as client:
                    return client.get(path, params=query or None)
            except httpx.TransportError:
                return None

        return until(look, f"the API answers {path}").raise_for_status().json()

    def every(self, path: str, **query: str) -> Iterator[Any]:
        """Yield the results of all pages of a list."""
        page = self.get(path, limit="1000", **query)
        while True:
            yield from page["results"]
            if page["next"] is None:
                return
            page = self.get(page["next"])

    def overdue(self) -> float:
        """Return the gauge of requests that are stuck."""

        def look() -> httpx.Response | None:
            try:
                return httpx.get(f"{self.about['api']}/metrics", timeout=40)
            except httpx.TransportError:
                return None

        page = until(look, "the API gives its metrics").raise_for_status().text
        values = dict(
            line.rsplit(" ", 1) for line in page.splitlines() if line[:1] != "#"
        )
        assert values["dnsorch_state_readable"] == "1.0"
        return float(values["dnsorch_requests_overdue"])

    def final(self, request_id: str, seconds: float = PATIENCE) -> Any:
        """Return the request once it is final."""

        def look() -> Any:
            request = self.get(f"/api/v2/requests/{request_id}/")
            last.append(request)
            return request if request["status"] in FINAL else None

        last: list[Any] = []
        try:
            return until(look, f"request {request_id} is final", seconds)
        except AssertionError as error:
            raise AssertionError(f"{error}\n{json.dumps(last[-1], indent=1)}") from None

    def by_key(self, key: str) -> list[Any]:
        """Return the requests with this idempotency key."""
        return list(self.every("/api/v2/requests/", idempotency_key=key))

    def final_by_key(self, key: str, seconds: float = PATIENCE) -> Any:
        """Return the one request with this idempotency key, once it is final."""
        found = until(lambda: self.by_key(key) or None, f"request {key}", seconds)
        assert len(found) == 1
        return self.final(found[0]["id"], seconds)

    def settled(self, keys: Collection[str], seconds: float = PATIENCE) -> list[Any]:
        """Return the request of each idempotency key, in order, once all are final.

        Each key has exactly one.
        """
        found: dict[str, Any] = {}

        def look() -> bool | None:
            found.clear()
            for request in self.every("/api/v2/requests/", since=self.since):
                key = request["idempotency_key"]
                if key in keys:
                    assert key not in found, f"two requests have the key {key}"
                    found[key] = request
            final = [each for each in found.values() if each["status"] in FINAL]
            return True if len(final) == len(keys) else None

        until(look, f"{len(keys)} requests are final, {len(found)} known", seconds)
        return [found[key] for key in keys]

    # --- Kafka

    def produce(
        self,
        messages: Sequence[tuple[str, bytes]],
        headers: Mapping[str, str] | None = None,
    ) -> None:
        """Send ``(idempotency key, value)`` in order, all to one partition."""
        producer = Producer({"bootstrap.servers": self.about["kafka"]})
        for key, value in messages:
            producer.produce(
                TOPICS[0],
                key=self.about["zone"],
                value=value,
                headers={"idempotency-key": key, **(headers or {})},
            )
        assert producer.flush(30) == 0

    def messages(self, topic: str) -> Iterator[Message]:
        """Yield what is on a topic now, from the start of each partition."""
        options = {"bootstrap.servers": self.about["kafka"], "group.id": "test"}
        consumer = Consumer({**options, "enable.partition.eof": True})
        try:
            numbers = list(
                consumer.list_topics(topic, timeout=10).topics[topic].partitions
            )
            consumer.assign(
                [TopicPartition(topic, number, OFFSET_BEGINNING) for number in numbers]
            )
            ended = 0
            while ended < len(numbers):
                message = consumer.poll(10)
                assert message is not None, f"Kafka is silent about {topic}"
                if message.error() is None:
                    yield message
                else:
                    ended += 1
        finally:
            consumer.close()

    # --- DNS

    def resolve(self, name: str, rtype: str = "A", server: str = "") -> set[str]:
        """Return the rdata that a name server answers with."""
        host, _, port = (server or self.about["nameserver"]).rpartition(":")
        question = dns.message.make_query(name, rtype)
        answer = dns.query.tcp(question, host, port=int(port), timeout=5)
        return {rdata.to_text() for rrset in answer.answer for rdata in rrset}

    def updates(self) -> list[Any]:
        """Return the UPDATEs that the name server has applied, in order."""
        log = self.directory / "nameserver" / "updates.jsonl"
        return [json.loads(line) for line in log.read_text().splitlines()]

    def added(self, name: str) -> list[str]:
        """Return the rdata added at ``name``, in the order in which they were."""
        return [
            entry[3]
            for update in self.updates()
            for entry in update["adds"]
            if entry[0] == name
        ]


def signal_group(process: subprocess.Popen[Any], number: signal.Signals) -> None:
    """Send a signal to a process that leads a session, and to its children."""
    with suppress(ProcessLookupError):
        os.killpg(process.pid, number)


def record(name: str, value: str) -> dict[str, Any]:
    """Return the v1 body of an A record."""
    return {"name": name, "type": "A", "value": value, "ttl": 60}


def changeset(zone: str, action: str, name: str, value: str) -> bytes:
    """Return a Kafka message in plain JSON: one change of an A RRset."""
    change = {"action": action, "name": name, "type": "A"}
    return json.dumps(
        {"zone": zone, "changes": [{**change, "ttl": 60, "records": [value]}]}
    ).encode()


def in_parallel(work: Callable[[T], Any], items: Sequence[T], threads: int = 4) -> Any:
    """Start ``work`` on each item in order; return the futures."""
    executor = ThreadPoolExecutor(threads)
    futures = [executor.submit(work, item) for item in items]
    executor.shutdown(wait=False)
    return futures
