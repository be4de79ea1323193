"""Both entry points on the real services, as the images run them.

By a user who is not root, from a tree that nobody can write to, with the production
profile and every secret in a file.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
import uuid
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest
from confluent_kafka import Producer

from deploy.services import tsig
from dnsorch.tests import real
from dnsorch.tests.e2e.harness import FINAL, changeset, free_ports, record, until
from dnsorch.tests.services.harness import (
    ZONE,
    RealStack,
    unique,
)
from dnsorch.tests.test_entrypoints import AS_ANY_USER, DEPLOY, HOST

APP, WORKER = "entrypoint.sh", "celery_worker_entrypoint.sh"
TREE = str(DEPLOY.parent)
# The tree as an image's file system is: read-only, for this process and its children.
READ_ONLY = (
    *("unshare", "--mount", "/bin/sh", "-euc"),
    'mount --bind "$0" "$0"; mount -o remount,bind,ro "$0"; exec "$@"',
    TREE,
)
# Seconds that each may take to end: its grace period in deploy/openshift/base.
GRACE = {"api": 30, "worker": 100, "sweep": 100, "consumer": 60, "publisher": 60}
PATIENCE_S = 90.0
SET_UP = """
from django.conf import settings
from dns_records.services import backends
backends.save(name="bind", driver="rfc2136", options={!r}, secret_reference={!r})
from dnsorch.tokens import services
print(services.issue(owner="entry").text)
"""


@dataclass
class Container:
    """What the processes of one deployment share: variables, files, ports."""

    directory: Path
    environment: dict[str, str]
    port: int
    metrics: Mapping[str, int]

    def command(self, script: str, *words: str) -> list[str]:
        """Return how to run a script as an ordinary user on a read-only tree."""
        before = (*READ_ONLY, *AS_ANY_USER) if os.getuid() == 0 else ()
        return [*before, str(DEPLOY / script), *words]

    def run(self, script: str, *words: str, **more: str) -> str:
        """Run a script to its end, which has to be a good one."""
        done = self.ended(script, *words, **more)
        assert done.returncode == 0, done.stdout
        return done.stdout

    def ended(
        self, script: str, *words: str, **more: str
    ) -> subprocess.CompletedProcess[str]:
        """Run a script to its end; its output is that of both streams."""
        return subprocess.run(
            self.command(script, *words),
            env={**self.environment, **more},
            text=True,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            timeout=PATIENCE_S,
        )

    def start(self, name: str) -> subprocess.Popen[bytes]:
        """Start one process of the deployment."""
        words = (WORKER,) if name == "worker" else (APP, name)
        more = {"KAFKA_METRICS_PORT": str(self.metrics.get(name, 0))}
        with self.log(name).open("wb") as log:
            return subprocess.Popen(
                self.command(*words),
                env={**self.environment, **more},
                stdout=log,
                stderr=log,
                start_new_session=True,
            )

    def log(self, name: str) -> Path:
        """Return the file with the output of a process."""
        return self.directory / f"{name}.log"

    def client(self, token: str) -> httpx.Client:
        """Return a client as the proxy with the certificate would pass it on."""
        return httpx.Client(
            base_url=f"http://127.0.0.1:{self.port}",
            headers={
                "Authorization": f"Bearer {token}",
                "Host": HOST,
                "X-Forwarded-Proto": "https",
            },
            timeout=40,
        )


@pytest.fixture(scope="module")
def container(
    database: str, topics: list[str], tmp_path_factory: pytest.TempPathFactory
) -> Container:
    """Give the deployment, with its secrets in files and nothing migrated yet."""
    directory = tmp_path_factory.mktemp("entry")
    api, consumer, publisher = free_ports(3)
    url = urlsplit(real.setting("DATABASE_URL"))._replace(path=f"/{database}")
    secrets = {
        "DNSORCH_SECRET_KEY": uuid.uuid4().hex * 2,
        "DATABASE_URL": url.geturl(),
        "CELERY_BROKER_URL": real.setting("CELERY_BROKER_URL").rstrip("0") + "2",
        "KAFKA_CLIENT_OPTIONS": '{"session.timeout.ms": 6000}',
    }
    for name, value in secrets.items():
        (directory / name).write_text(value + "\n")
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    environment = {
        "PATH": path,
        "PYTHONDONTWRITEBYTECODE": "1",
        "PYTHONUNBUFFERED": "1",
        "HOME": str(directory),
        "DNSORCH_ENV": "prod",
        "DNSORCH_ALLOWED_HOSTS": f"{HOST},127.0.0.1",
        # The consumer comes to the API by plain http, inside.
        "DNSORCH_SSL_REDIRECT": "false",
        "DNSORCH_VAR_DIR": str(directory),
        "DNSORCH_STATIC_ROOT": str(directory / "static"),
        "DNSORCH_WORKER_CONCURRENCY": "1",
        "KAFKA_BOOTSTRAP_SERVERS": real.setting("KAFKA_BOOTSTRAP_SERVERS"),
        "KAFKA_CONSUMER_GROUP": database,
        "KAFKA_API_URL": f"http://127.0.0.1:{api}",
        "KAFKA_API_TOKEN_REFERENCE": f"file:{directory / 'kafka.token'}",
        "GRANIAN_HOST": "127.0.0.1",
        "GRANIAN_PORT": str(api),
        **{f"{name}_FILE": str(directory / name) for name in secrets},
        **dict(zip(TOPIC_SETTINGS, topics)),
    }
    metrics = {"consumer": consumer, "publisher": publisher}
    return Container(directory, environment, api, metrics)


TOPIC_SETTINGS = ("KAFKA_TOPIC_REQUESTS", "KAFKA_TOPIC_OUTCOMES", "KAFKA_TOPIC_DLQ")


@pytest.mark.skipif(os.getuid() != 0, reason="runs as an ordinary user anyway")
def test_the_user_is_nobody_and_the_tree_is_read_only(container: Container) -> None:
    script = 'id -u; id -g; touch "$0/written"'
    done = subprocess.run(
        [*READ_ONLY, *AS_ANY_USER, "/bin/sh", "-c", script, TREE],
        capture_output=True,
        text=True,
    )
    assert done.stdout == "1000760000\n0\n"
    assert "Read-only file system" in done.stderr


@pytest.fixture(scope="module")
def migrations(container: Container) -> list[tuple[int, str]]:
    """Migrate twice at once; return exit code and output of both."""
    both = [
        subprocess.Popen(
            container.command(APP, "migrate"),
            env=container.environment,
            text=True,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
        )
        for _ in range(2)
    ]
    said = [process.communicate(timeout=PATIENCE_S)[0] for process in both]
    return [(process.returncode, text) for process, text in zip(both, said)]


def test_of_two_migrations_one_does_and_the_other_waits(
    migrations: list[tuple[int, str]],
) -> None:
    assert [code for code, _ in migrations] == [0, 0], migrations
    for line in ("No migrations to apply.", "Applying dns_records.0001"):
        assert sorted(line in text for _, text in migrations) == [False, True]


@dataclass
class Deployment:
    """A deployment whose processes run."""

    container: Container
    token: str
    running: dict[str, subprocess.Popen[bytes]]

    def final(self, request_id: str) -> Any:
        """Return a request once it is final."""

        def look() -> Any:
            with self.container.client(self.token) as client:
                found = client.get(f"/api/v2/requests/{request_id}/")
            found.raise_for_status()
            return found.json() if found.json()["status"] in FINAL else None

        return until(look, f"request {request_id} is final")


@pytest.fixture(scope="module")
def deployment(
    container: Container, migrations: list[tuple[int, str]]
) -> Iterator[Deployment]:
    """Set up and start everything, in the order of docs/operations.md."""
    container.run(APP, "manage", "collectstatic", "--noinput", "--verbosity", "0")
    host, _, port = real.setting("DNSORCH_TEST_BIND").rpartition(":")
    options = {"server": host, "port": int(port), "key_name": tsig.OURS}
    secret = f"file:{real.setting('DNSORCH_TEST_TSIG_SECRET_FILE')}"
    code = SET_UP.format(options, secret)
    token = container.run(APP, "manage", "shell", "-c", code).split()[-1]
    words = ("create_token", "--owner", "entry", "--source", "kafka")
    made = container.run(APP, "manage", *words).split()[-1]
    (container.directory / "kafka.token").write_text(made + "\n")
    running = {name: container.start(name) for name in GRACE}
    try:
        yield Deployment(container, token, running)
    finally:
        for process in running.values():
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()


def test_every_probe_answers(deployment: Deployment) -> None:
    container = deployment.container
    probes: list[tuple[str, ...]] = [(APP, "probe"), (WORKER, "probe")]
    probes += [
        (APP, "probe", str(port), "/livez") for port in container.metrics.values()
    ]
    for probe in probes:
        until(
            lambda: container.ended(*probe).returncode == 0 or None,
            " ".join(probe),
            PATIENCE_S,
        )


def test_requests_through_both_doors_complete(deployment: Deployment) -> None:
    names = [unique("rest"), unique("kafka")]
    zone = {
        "name": ZONE,
        "backend": "bind",
        "nameservers": real.setting("DNSORCH_NAMESERVERS").split(","),
    }
    with deployment.container.client(deployment.token) as client:
        assert client.get("/static/admin/css/base.css").status_code == 200
        assert client.post("/api/v2/zones/", json=zone).status_code == 201
        answer = client.post("/api/v1/dns-records/", json=record(names[0], "192.0.2.1"))
        assert answer.status_code == 202, answer.text
        key = uuid.uuid4().hex
        send(
            deployment.container, key, changeset(ZONE, "create", names[1], "192.0.2.2")
        )

        def came() -> Any:
            found = client.get("/api/v2/requests/", params={"idempotency_key": key})
            return found.json()["results"] or None

        (by_kafka,) = until(came, "the message is a request")
    ids = [answer.json()["request_id"], by_kafka["id"]]
    assert [deployment.final(each)["status"] for each in ids] == ["completed"] * 2
    bind, stack = real.setting("DNSORCH_TEST_BIND"), RealStack(Path())
    found = [stack.resolve(name, server=bind) for name in names]
    assert found == [{"192.0.2.1"}, {"192.0.2.2"}]


def send(container: Container, key: str, value: bytes) -> None:
    """Send one message to the topic of requests."""
    producer = Producer(
        {"bootstrap.servers": container.environment["KAFKA_BOOTSTRAP_SERVERS"]}
    )
    producer.produce(
        container.environment["KAFKA_TOPIC_REQUESTS"],
        key=ZONE,
        value=value,
        headers={"idempotency-key": key},
    )
    assert producer.flush(30) == 0


def test_each_ends_in_time_when_asked(deployment: Deployment) -> None:
    ended = {}
    for name, process in deployment.running.items():
        began = time.monotonic()
        process.send_signal(signal.SIGTERM)
        ended[name] = process.wait(GRACE[name])
        assert time.monotonic() - began < GRACE[name]
    logs = {name: deployment.container.log(name).read_text() for name in ended}
    assert ended == dict.fromkeys(GRACE, 0), json.dumps(logs, indent=1)
    assert "Traceback" not in "".join(logs.values())
    assert deployment.container.ended(APP, "probe").returncode == 1
