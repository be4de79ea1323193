"""The service as the bench runs it: on the real services, with names of its own."""

from __future__ import annotations

import json
import subprocess
import time
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

import httpx
import psycopg2
import redis
from confluent_kafka.cimpl import NewTopic

from deploy.services.kafka import PARTITIONS
from dnsorch.bench.nameservers import NameServers
from dnsorch.bench.rows import Template
from dnsorch.tests import real
from dnsorch.tests.e2e.harness import Stack, free_ports, until
from dnsorch.tests.services.harness import RealStack, administer, kafka_admin

#: What tests set lower than the product's default.
OF_TESTS = ("DNSORCH_LEASE_S", "KAFKA_PUBLISHER_LEASE_S", "KAFKA_CLIENT_OPTIONS")
KINDS = ("requests", "outcomes", "dlq")
FLOOR = "floor"
#: One for single requests, one for lists; those of bursts have numbers.
SINGLE, LISTS = "single.bench.test.", "lists.bench.test."
PATIENCE_S = 3600.0
#: What takes changes to name servers.
DELIVERY = ("worker", "sweep")
_REGISTER = """
from dns_records.models import Backend
from dns_records.services import zones
backend = Backend.objects.get()
for name in {names!r}:
    zones.register(name=name, backend=backend, nameservers={servers!r})
print(json.dumps(None))
"""


@dataclass
class BenchStack(RealStack):
    """A stack that shares no topic, zone or queue with another one.

    ``count`` is the number of zones for bursts; ``large`` that of large zones, which
    have ``hosts`` hosts on the name servers already, unknown to the product.
    """

    count: int = 1
    large: int = 0
    hosts: int = 0
    _nameservers: NameServers | None = None
    templates: dict[str, Template] = field(default_factory=dict)

    @property
    def nameservers(self) -> NameServers:
        """The name servers, made at the first look."""
        if self._nameservers is None:
            zones = dict.fromkeys(self.all_zones, 0)
            zones |= dict.fromkeys(self.large_zones, self.hosts)
            self._nameservers = NameServers(self.directory / "named", zones)
        return self._nameservers

    @property
    def zones(self) -> list[str]:
        """The zones for bursts."""
        return [f"z{number:04d}.bench.test." for number in range(self.count)]

    @property
    def large_zones(self) -> list[str]:
        """The zones that have records already."""
        return [f"large{number}.bench.test." for number in range(self.large)]

    @property
    def all_zones(self) -> list[str]:
        """All zones beside the one of the services."""
        return [SINGLE, LISTS, *self.zones, *self.large_zones]

    @property
    def topics(self) -> dict[str, str]:
        """The topics, by their kind."""
        return {kind: f"{self.database}.{kind}" for kind in (*KINDS, FLOOR)}

    @property
    def broker_url(self) -> str:
        """The broker, with a database for this stack alone."""
        url = urlsplit(real.setting("CELERY_BROKER_URL"))
        return url._replace(path="/15").geturl()

    def variables(self) -> dict[str, str]:
        """Return the environment of its processes."""
        found = super().variables()
        for name in OF_TESTS:
            found.pop(name, None)
        return {
            **found,
            "CELERY_BROKER_URL": self.broker_url,
            "DNSORCH_NAMESERVERS": ",".join(self.nameservers.addresses),
            "DNSORCH_TSIG_KEY_FILE": str(self.nameservers.key_file),
            # It would come every five minutes, into some runs and not into others.
            "DNSORCH_SERIAL_WATCH_S": "0",
            **{f"KAFKA_TOPIC_{kind.upper()}": self.topics[kind] for kind in KINDS},
        }

    def up(self) -> None:
        """Start it, with a database, topics and zones of its own."""
        self.nameservers.up()
        self._forget_hints()
        administer(f"CREATE DATABASE {self.database}")
        admin = kafka_admin()
        new = [NewTopic(name, PARTITIONS, 1) for name in self.topics.values()]
        for made in admin.create_topics(new).values():
            made.result(30)
        Stack.up(self)
        servers = self.nameservers.addresses
        self.shell(_REGISTER.format(names=self.all_zones, servers=servers))

    def down(self) -> None:
        """Kill everything, and leave nothing behind."""
        with ExitStack() as last:
            last.callback(self.nameservers.down)
            last.callback(self._forget_hints)
            last.callback(self._drop)
            Stack.down(self)

    def _forget_hints(self) -> None:
        """Empty the queue: a run is not to begin with what another one has left."""
        with redis.Redis.from_url(self.broker_url) as broker:
            broker.flushdb()

    def _drop(self) -> None:
        for name in (self.database, f"{self.database}_{FLOOR}"):
            administer(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)")
        admin = kafka_admin()
        for gone in admin.delete_topics(list(self.topics.values())).values():
            gone.result(30)

    # --- the floor

    def start_floor(self) -> None:
        """Start the server that does nothing but the INSERTs, on a copy of the data."""
        copy = f"{self.database}_{FLOOR}"
        administer(f"CREATE DATABASE {copy}")
        source = self.env["DATABASE_URL"]
        with subprocess.Popen(
            ["pg_dump", "--no-owner", source], stdout=subprocess.PIPE
        ) as dump:
            words = ["psql", "--quiet", "--no-psqlrc", "--set=ON_ERROR_STOP=1"]
            subprocess.run(
                [*words, self.floor_url],
                stdin=dump.stdout,
                stdout=subprocess.DEVNULL,
                check=True,
            )
        templates = {
            version: {"statements": each.statements(), "answer": each.answer}
            for version, each in self.templates.items()
        }
        (self.directory / "floor.json").write_text(json.dumps(templates))
        (port,) = free_ports(1)
        self.commands[FLOOR] = self.commands["api"]
        self.own = {
            FLOOR: {
                "DATABASE_URL": self.floor_url,
                "DJANGO_SETTINGS_MODULE": "dnsorch.bench.floor.settings",
                "DNSORCH_PORT_API": str(port),
            }
        }
        self.start(FLOOR)
        self.about[FLOOR] = f"http://127.0.0.1:{port}"

        def answers() -> bool | None:
            with suppress(httpx.TransportError):
                return httpx.get(self.about[FLOOR]).status_code == 404 or None
            return None

        until(answers, "the floor answers")

    @property
    def floor_url(self) -> str:
        """The database of the floor."""
        url = urlsplit(self.env["DATABASE_URL"])
        return url._replace(path=f"/{self.database}_{FLOOR}").geturl()

    # --- the database

    def query(self, statement: str, *values: Any) -> list[tuple[Any, ...]]:
        """Return what the stack's database answers."""
        connection = psycopg2.connect(self.env["DATABASE_URL"])
        try:
            with connection, connection.cursor() as cursor:
                cursor.execute(statement, values)
                return list(cursor.fetchall()) if cursor.description else []
        finally:
            connection.close()

    def count_since(self, first: str, column: str = "id") -> int:
        """Return how many requests from an id on have something in a column."""
        statement = (
            f"SELECT count({column}) FROM requests_tracker_request WHERE id >= %s"
        )
        found: int = self.query(statement, first)[0][0]
        return found

    def tracked(self, first: str, count: int) -> float:
        """Wait until so many requests are in the tracker; return when they were."""

        def look() -> float | None:
            return time.time() if self.count_since(first) >= count else None

        return until(look, f"{count} requests are in the tracker", PATIENCE_S)

    def completed(self, first: str, count: int) -> float:
        """Wait until so many requests from an id on are completed, and no others are.

        Return the moment at which the last one was, in seconds since 1970.

        Raises:
            AssertionError: one of them has failed, or they take too long.
        """

        def look() -> int | None:
            done = self.count_since(first, "completed_at")
            return done if done >= count else None

        until(look, f"{count} requests are final", PATIENCE_S)
        statement = (
            "SELECT status, count(*), extract(epoch FROM max(completed_at))::float8 "
            "FROM requests_tracker_request WHERE id >= %s GROUP BY status"
        )
        ((status, found, last),) = self.query(statement, first)
        assert (status, found) == ("completed", count), f"{found} are {status}"
        return float(last)
