"""The stack as processes on PostgreSQL, Redis, Apache Kafka and two BINDs."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import uuid
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import dns.query
import dns.rcode
import dns.tsig
import dns.update
import psutil
from confluent_kafka import OFFSET_END, TopicPartition
from confluent_kafka.admin import AdminClient

from deploy.services import processes, tsig
from dnsorch.tests import real
from dnsorch.tests.e2e.harness import ROOT, TOPICS, Stack

ZONE = "example.test."
SERVICES = ROOT / "deploy" / "services"
# What BIND logs of each record that an UPDATE adds.
ADDED = re.compile(r"updating zone '[^']+': adding an RR at '([^']+)' (\S+) (.+)")


def change(action: str, name: str, rtype: str, *records: str) -> dict[str, Any]:
    """Return one change of a change set."""
    found = {"action": action, "name": name, "type": rtype}
    return {**found, "ttl": 60, "records": list(records)} if records else found


@dataclass
class RealStack(Stack):
    """A stack with a database of its own; the services are everybody's."""

    database: str = field(default_factory=lambda: f"stack_{uuid.uuid4().hex[:8]}")
    log_start: int = 0

    @property
    def services(self) -> Path:
        """Where the services have their data."""
        return Path(real.setting("DNSORCH_SERVICES_DIR"))

    def variables(self) -> dict[str, str]:
        """Return the environment of its processes: nothing embedded is left."""
        url = urlsplit(real.setting("DATABASE_URL"))
        return {
            **super().variables(),
            "DATABASE_URL": url._replace(path=f"/{self.database}").geturl(),
            "CELERY_BROKER_URL": real.setting("CELERY_BROKER_URL").rstrip("0") + "1",
            "KAFKA_BOOTSTRAP_SERVERS": real.setting("KAFKA_BOOTSTRAP_SERVERS"),
            "KAFKA_CONSUMER_GROUP": self.database,
            "DNSORCH_NAMESERVERS": real.setting("DNSORCH_NAMESERVERS"),
            "DNSORCH_TSIG_KEY_FILE": real.setting("DNSORCH_TSIG_KEY_FILE"),
        }

    def up(self) -> None:
        """Start it, with an empty database and empty topics."""
        administer(f"CREATE DATABASE {self.database}")
        forget_messages()
        self.log_start = self._bind_log.stat().st_size
        super().up()

    def down(self) -> None:
        """Kill everything, and leave nothing in Kafka and PostgreSQL."""
        super().down()
        forget_messages()
        administer(f"DROP DATABASE IF EXISTS {self.database} WITH (FORCE)")

    def kill(self, name: str) -> None:
        """Kill a process; the broker is Redis."""
        if name == "broker":
            os.kill(self.pid("redis"), signal.SIGKILL)
        else:
            super().kill(name)

    def start(self, name: str) -> None:
        """Start a process; the broker is Redis, on its port of before."""
        if name == "broker":
            subprocess.run(
                [SERVICES / "up", "redis"], check=True, stdout=subprocess.DEVNULL
            )
        else:
            super().start(name)

    def processes(self, name: str) -> list[psutil.Process]:
        """Return a process of the stack and its children."""
        process = psutil.Process(self.running[name].pid)
        return [process, *process.children(recursive=True)]

    @contextmanager
    def paused(self, *names: str) -> Iterator[None]:
        """Have processes stand still for a while."""
        stopped = [each for name in names for each in self.processes(name)]
        for process in stopped:
            process.send_signal(signal.SIGSTOP)
        try:
            yield
        finally:
            for process in stopped:
                process.send_signal(signal.SIGCONT)

    def pid(self, service: str) -> int:
        """Return the process id of a service."""
        pid = processes.running(self.services / service / "pid")
        assert pid is not None, f"{service} does not run"
        return pid

    def added(self, name: str) -> list[str]:
        """Return the rdata that BIND added at ``name``, in order."""
        with self._bind_log.open() as log:
            log.seek(self.log_start)
            found = [ADDED.search(line) for line in log]
        owner = name.rstrip(".")
        return [match[3] for match in found if match and match[1] == owner]

    def ask(self, changes: Sequence[Mapping[str, Any]], zone: str = ZONE) -> str:
        """Post a v2 change set; return the id of the request."""
        body = {"zone": zone, "changes": list(changes)}
        with self.client() as client:
            answer = client.post("/api/v2/changesets/", json=body)
        assert answer.status_code == 202, answer.text
        request_id: str = answer.json()["id"]
        return request_id

    def update(self, server: str, key: str, zone: str, *line: str) -> str:
        """Add a record with a key of the services; return the rcode."""
        name, ttl, rtype, rdata = line
        message = dns.update.UpdateMessage(zone)
        message.add(name, int(ttl), rtype, rdata)
        return self._send(server, key, message)

    def remove(self, server: str, key: str, zone: str, name: str, rtype: str) -> str:
        """Delete an RRset with a key of the services; return the rcode."""
        message = dns.update.UpdateMessage(zone)
        message.delete(name, rtype)
        return self._send(server, key, message)

    def _send(self, server: str, key: str, message: dns.update.UpdateMessage) -> str:
        secret = tsig.secret(self.services, key)
        message.use_tsig(dns.tsig.Key(key, secret, tsig.ALGORITHM))
        host, _, port = server.rpartition(":")
        answer = dns.query.tcp(message, host, port=int(port), timeout=5)
        return dns.rcode.to_text(answer.rcode())

    def shell(self, code: str) -> Any:
        """Run Python in the stack's environment; return its last line, JSON."""
        prologue = "import json, django\ndjango.setup()\n"
        done = subprocess.run(
            [sys.executable, "-c", prologue + code],
            cwd=ROOT,
            env=self.env,
            stdout=subprocess.PIPE,
            check=True,
        )
        return json.loads(done.stdout.splitlines()[-1])

    @property
    def _bind_log(self) -> Path:
        return self.services / "bind" / "log"


def administer(statement: str) -> None:
    """Have PostgreSQL execute a statement, outside a transaction."""
    url = real.setting("DATABASE_URL")
    quiet = ["--quiet", "--no-psqlrc", "--set=ON_ERROR_STOP=1"]
    subprocess.run(["psql", *quiet, "--command", statement, url], check=True)


def query(statement: str) -> str:
    """Return the one value that PostgreSQL answers with, not through PgBouncer."""
    url = real.setting("DATABASE_URL")
    command = ["psql", "--no-psqlrc", "--tuples-only", "--no-align", "--command"]
    return subprocess.check_output([*command, statement, url], text=True).strip()


def kafka_admin() -> AdminClient:
    """Return a client that administers Kafka."""
    return AdminClient({"bootstrap.servers": real.setting("KAFKA_BOOTSTRAP_SERVERS")})


def unique(label: str, zone: str = ZONE) -> str:
    """Return an owner name that no other test uses."""
    return f"{label}-{uuid.uuid4().hex[:8]}.{zone}"


def forget_messages() -> None:
    """Delete what is on the topics: a new group starts with the oldest message."""
    admin = kafka_admin()
    ends = [
        TopicPartition(topic, number, OFFSET_END)
        for topic in TOPICS
        for number in admin.list_topics(topic, timeout=30).topics[topic].partitions
    ]
    for deleted in admin.delete_records(ends).values():
        deleted.result(30)
