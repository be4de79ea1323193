"""The stack on real services with a proxy in each link, and failpoints to arm."""

from __future__ import annotations

import json
import os
import signal
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import psutil

from deploy.services import tsig
from deploy.services.bind import Primary, Secondary
from deploy.services.ports import Ports
from deploy.services.powerdns import add_zones
from dnsorch.tests import real
from dnsorch.tests.e2e.harness import signal_group, until
from dnsorch.tests.faults.proxy import Proxy, dns_messages
from dnsorch.tests.faults.update_log import BindLog, PowerDnsLog, UpdateLog
from dnsorch.tests.faults.watched import WatchedStack
from dnsorch.tests.services.harness import SERVICES, ZONE

LEASE_S = 0.5
#: Under half the lease, as every time limit of a provider.
TIMEOUT_S = 0.24
#: A dead consumer's partitions come free soon.
SESSION = {"session.timeout.ms": 3000, "heartbeat.interval.ms": 500}
#: So long a process may take to finish or hand back its work at SIGTERM.
DRAIN_S = 20.0
WORKERS = ("worker", "worker-2")
#: What Celery logs once a worker takes tasks.
READY = " ready."
#: The stack's own processes that hold no data: a fault may end any of them.
PROCESSES = (*WORKERS, "sweep", "api", "consumer", "publisher")
_CONFIGURE = """
from dns_records.models import Zone
from dns_records.services import backends
for name, options in {options!r}.items():
    backends.save(
        name=name, driver="rfc2136", options=options, secret_reference={reference!r}
    )
Zone.objects.update(verify_deadline_s=30)
print(json.dumps(None))
"""


@dataclass
class FaultStack(WatchedStack):
    """Two workers and a proxy in every link; what dies is started again by hand."""

    proxies: dict[str, Proxy] = field(default_factory=dict)
    logs_of: dict[str, UpdateLog] = field(default_factory=dict)
    further: list[str] = field(default_factory=list)
    # How often each worker had said that it is ready before it was started last.
    ready_before: dict[str, int] = field(default_factory=dict)
    fired: int = 0

    # --- the links

    def variables(self) -> dict[str, str]:
        """Return the environment of the processes: each link leads to its proxy."""
        direct = super().variables()
        self._open_proxies()
        at = {name: proxy.address for name, proxy in self.proxies.items()}
        database = urlsplit(direct["DATABASE_URL"])
        password = f"{database.username}:{database.password}"
        netloc = f"{password}@{at['postgresql']}"
        return {
            **direct,
            "DATABASE_URL": database._replace(netloc=netloc).geturl(),
            "CELERY_BROKER_URL": f"redis://{at['redis']}/1",
            "KAFKA_BOOTSTRAP_SERVERS": real.setting("DNSORCH_TEST_KAFKA_PROXY"),
            "DNSORCH_LEASE_S": str(LEASE_S),
            "DNSORCH_SWEEP_INTERVAL_S": "0.2",
            "DNSORCH_DATABASE_IDLE_TIMEOUT_S": "2",
            "DNSORCH_FAILPOINTS": f"file:{self.failpoints}",
            "DNSORCH_LOG_LEVEL": "INFO",
            "KAFKA_CLIENT_OPTIONS": json.dumps(SESSION),
        }

    def _open_proxies(self) -> None:
        redis = urlsplit(real.setting("CELERY_BROKER_URL")).netloc
        postgresql = urlsplit(real.setting("DATABASE_URL"))
        kafka = real.setting("DNSORCH_TEST_KAFKA_PROXY").rpartition(":")[2]
        self.proxies = {
            "redis": Proxy(redis),
            "postgresql": Proxy(f"{postgresql.hostname}:{postgresql.port}"),
            "kafka": Proxy(real.setting("DNSORCH_TEST_KAFKA_PROXIED"), port=int(kafka)),
            "bind": Proxy(real.setting("DNSORCH_TEST_BIND"), split=dns_messages),
            "powerdns": Proxy(real.setting("DNSORCH_TEST_PDNS"), split=dns_messages),
        }

    def up(self) -> None:
        """Start everything, and lead each zone's messages through its proxy."""
        super().up()
        self.commands["worker-2"] = self.commands["worker"]
        self.start("worker-2")
        self.proxies["api"] = Proxy(urlsplit(self.about["api"]).netloc)
        self.env["KAFKA_API_URL"] = f"http://{self.proxies['api'].address}"
        self.kill("consumer")
        self.start("consumer")
        self._configure()
        self.logs_of = {
            ZONE: BindLog(self.services / "bind" / "log"),
            self.powerdns_zone: PowerDnsLog(
                self.services / "powerdns" / "zones.sqlite3", self.powerdns_zone
            ),
        }

    def down(self) -> None:
        """Kill everything, and close the proxies."""
        self.disarm()
        super().down()
        for proxy in self.proxies.values():
            proxy.close()

    def _configure(self) -> None:
        def options(link: str) -> dict[str, Any]:
            host, _, port = self.proxies[link].address.rpartition(":")
            return {
                "server": host,
                "port": int(port),
                "key_name": tsig.OURS,
                "timeout_s": TIMEOUT_S,
                "connect_timeout_s": TIMEOUT_S,
            }

        reference = f"file:{real.setting('DNSORCH_TEST_TSIG_SECRET_FILE')}"
        backends = {"embedded": options("bind"), "powerdns": options("powerdns")}
        self.shell(_CONFIGURE.format(options=backends, reference=reference))
        self._register(self.powerdns_zone)

    def _register(self, *zones: str, **more: str) -> None:
        with self.client() as client:
            for zone in zones:
                body = {"name": zone, "backend": "powerdns", **more}
                answer = client.post(
                    "/api/v2/zones/", json=body | {"nameservers": self.servers[zone]}
                )
                assert answer.status_code == 201, answer.text

    def add_zones(self, *zones: str, **more: str) -> None:
        """Have further zones, on PowerDNS."""
        path = self.services / "powerdns" / "zones.sqlite3"
        add_zones(path, *zones)
        self.further += zones
        self.logs_of |= {zone: PowerDnsLog(path, zone) for zone in zones}
        self._register(*zones, **more)

    @property
    def powerdns_zone(self) -> str:
        """The zone that PowerDNS has."""
        return real.setting("DNSORCH_TEST_PDNS_ZONE")

    @property
    def servers(self) -> dict[str, list[str]]:
        """The name servers of each zone, reached directly."""
        return {
            ZONE: real.setting("DNSORCH_NAMESERVERS").split(","),
            **{
                zone: [real.setting("DNSORCH_TEST_PDNS")]
                for zone in (self.powerdns_zone, *self.further)
            },
        }

    def link(self, zone: str) -> Proxy:
        """Return the proxy before the update server of a zone."""
        return self.proxies["bind" if zone == ZONE else "powerdns"]

    # --- failpoints

    @property
    def failpoints(self) -> Path:
        """The file that all processes read."""
        return self.directory / "failpoints"

    def arm(self, *entries: str) -> list[Path]:
        """Have each ``place=action`` happen once, in whatever process comes first.

        Return the files that say that it has happened. ``no_GUARD`` takes no file.
        """
        armed, files = [], []
        for entry in entries:
            if "=" in entry:
                self.fired += 1
                files.append(self.directory / f"fired-{self.fired}")
                entry = f"{entry}!{files[-1]}"
            armed.append(entry)
        # In one step: nobody reads half of it.
        draft = self.failpoints.with_suffix(".draft")
        draft.write_text(",".join(armed))
        draft.rename(self.failpoints)
        return files

    def disarm(self) -> None:
        """Take every failpoint and mutation back."""
        self.failpoints.unlink(missing_ok=True)

    # --- processes

    def kill(self, name: str) -> None:
        """Kill a process with SIGKILL; or a service, which has its data on disk."""
        if name in ("bind", "bind-secondary", "powerdns", "kafka"):
            os.kill(self.pid(name), signal.SIGKILL)
        elif name == "postgresql":
            self.quit(name)
        else:
            super().kill(name)

    def quit(self, service: str) -> None:
        """End a service by SIGQUIT, and wait until it has ended.

        PostgreSQL takes it as a crash, but takes its children along.
        """
        process = psutil.Process(self.pid(service))
        process.send_signal(signal.SIGQUIT)
        process.wait(10)

    def start(self, name: str) -> None:
        """Start a process or a service again."""
        if name in ("bind", "bind-secondary", "powerdns", "kafka", "postgresql"):
            self._tell("up", name)
        else:
            if name in WORKERS:
                self.ready_before[name] = self.logged(READY, name)
            super().start(name)

    def await_workers(self) -> None:
        """Wait until each worker takes tasks.

        Until one does, the sweep delivers and would be whom a failpoint stops.
        """
        until(lambda: all(map(self._is_ready, WORKERS)) or None, "workers take tasks")

    def _is_ready(self, name: str) -> bool:
        return self.logged(READY, name) > self.ready_before[name]

    def _tell(self, action: str, service: str) -> None:
        command = [str(SERVICES / action), service]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)

    def terminate(self, name: str) -> int:
        """End a process as a rollout does, with SIGTERM; return its exit code."""
        process = self.running.pop(name)
        process.send_signal(signal.SIGTERM)
        return process.wait(DRAIN_S)

    @contextmanager
    def configured(self, variables: Mapping[str, str], *names: str) -> Iterator[None]:
        """Have processes run with other variables for a while."""

        def restart(chosen: Mapping[str, str]) -> None:
            self.env.update(chosen)
            for name in names:
                self.kill(name)
                self.start(name)
            self.get("/readyz")

        before = {name: self.env[name] for name in variables}
        restart(variables)
        try:
            yield
        finally:
            restart(before)

    @contextmanager
    def another(self, name: str, command: str = "") -> Iterator[str]:
        """Have a second process of a kind for a while; give its name."""
        second = f"{name}-2"
        self.commands[second] = command or self.commands[name]
        self.start(second)
        try:
            yield second
        finally:
            if second in self.running:
                self.kill(second)

    def rndc(self, service: str, *words: str) -> str:
        """Tell a BIND something; return what it says."""
        kind = Primary if service == Primary.name else Secondary
        ports = Ports(self.services / "ports.json")
        return kind(self.services, ports).rndc(*words)

    def revive(self) -> list[str]:
        """Wake what is stopped and start what is dead; return what was dead."""
        for process in self.running.values():
            signal_group(process, signal.SIGCONT)
        dead = [
            name for name, each in self.running.items() if each.poll() is not None
        ] + [name for name in PROCESSES if name not in self.running]
        for name in dead:
            if name in self.running:
                super().kill(name)
            self.start(name)
        return dead

    def heal(self) -> None:
        """End every fault: links, failpoints, processes."""
        self.disarm()
        for proxy in self.proxies.values():
            proxy.heal()
        self.revive()

    def processes(self, name: str) -> list[psutil.Process]:
        """Return a process of the stack and its children; none if it has died."""
        with suppress(psutil.NoSuchProcess):
            return super().processes(name)
        return []

    def await_stopped(self, file: Path) -> int:
        """Wait until the process that hit a ``stop`` stands still; return its id."""
        pid = await_fired(file)

        def stopped() -> bool | None:
            return psutil.Process(pid).status() == psutil.STATUS_STOPPED or None

        until(stopped, f"process {pid} is stopped", 10)
        return pid

    def logged(self, text: str, *names: str) -> int:
        """Return how often processes wrote a text into their logs."""
        logs = [self.directory / f"{name}.log" for name in names]
        return sum(
            log.read_text(errors="replace").count(text) for log in logs if log.exists()
        )

    def secrets(self) -> Iterator[str]:
        """Yield what no log may hold."""
        yield tsig.secret(self.services, tsig.OURS)
        yield str(self.about["token"])
        yield str(self.about["admin_password"])
        yield str(urlsplit(real.setting("DATABASE_URL")).password)
        yield (self.directory / "kafka.token").read_text().strip()


def await_fired(file: Path, seconds: float = 20) -> int:
    """Wait until a failpoint has fired; return the process in which it did."""

    def look() -> int | None:
        text = file.read_text() if file.exists() else ""
        return int(text) if text.endswith("\n") else None

    return until(look, f"a failpoint fires ({file.name})", seconds)
