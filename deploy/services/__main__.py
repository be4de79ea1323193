"""``python3 -m deploy.services up|down|status|env|install [NAME ...]``."""

from __future__ import annotations

import fcntl
import os
import shlex
import sys
from argparse import ArgumentParser
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from deploy.services import packages
from deploy.services.base import Service
from deploy.services.bind import Primary, Secondary
from deploy.services.errors import ServiceError
from deploy.services.kafka import Kafka
from deploy.services.openbao import OpenBao
from deploy.services.pgbouncer import PgBouncer
from deploy.services.ports import HOST, Ports
from deploy.services.postgresql import PostgreSQL
from deploy.services.powerdns import PowerDNS
from deploy.services.redis import Redis

# Kafka last: what takes longest to start lets the others be ready meanwhile.
SERVICES: Sequence[type[Service]] = (
    PostgreSQL,
    PgBouncer,
    Redis,
    Primary,
    Secondary,
    PowerDNS,
    OpenBao,
    Kafka,
)
# What the tests need beside the services: programs, called as Debian's packages are.
TOOLS = ("chromium",)
DEFAULT = Path(__file__).resolve().parents[2] / "var" / "services"


def main(words: Sequence[str]) -> int:
    """Do what the command line says; return the exit code."""
    parser = ArgumentParser(prog="deploy/services", description=__doc__)
    parser.add_argument("action", choices=["up", "down", "status", "env", "install"])
    names = [kind.name for kind in SERVICES]
    told = f"{', '.join(names)}; to install: {', '.join(TOOLS)}"
    parser.add_argument("names", nargs="*", metavar="NAME", help=told)
    asked = parser.parse_args(words)
    if asked.action == "install":
        names = list(TOOLS)
    if unknown := set(asked.names) - set(names):
        parser.error(f"unknown: {', '.join(sorted(unknown))}")
    root = Path(os.environ.get("DNSORCH_SERVICES_DIR") or DEFAULT).resolve()
    root.mkdir(parents=True, exist_ok=True)
    try:
        with _alone(root):
            if asked.action == "install":
                return _install(asked.names)
            return _do(asked.action, _chosen(root, asked.names))
    except ServiceError as error:
        print(f"deploy/services: {error}", file=sys.stderr)
        return 1


def _chosen(root: Path, names: Sequence[str]) -> list[Service]:
    ports = Ports(root / "ports.json")
    kinds = [kind for kind in SERVICES if not names or kind.name in names]
    return [kind(root, ports) for kind in kinds]


def _do(action: str, services: Sequence[Service]) -> int:
    if action == "up":
        _up(services)
    elif action == "down":
        for service in reversed(services):
            service.down()
    elif action == "env":
        return _env(services)
    return _status(services, wanted=action != "down")


def _install(tools: Sequence[str]) -> int:
    """Install those of these tools, all by default, that are not there."""
    missing = [name for name in tools or TOOLS if packages.program(name) is None]
    if missing:
        packages.install(missing)
    return 0


def _up(services: Sequence[Service]) -> None:
    missing = dict.fromkeys(name for each in services for name in each.missing())
    if missing:
        packages.install(list(missing))
    # Of all before any is started: they are told of each other's.
    for service in services:
        service.find_ports()
    for service in services:
        service.up()


def _status(services: Sequence[Service], *, wanted: bool) -> int:
    """Print a line for each; return 1 if one is not as it should be."""
    for service in services:
        state = "runs" if service.pid else "does not run"
        if service.pid:
            state += f" on {HOST}:{service.port}, process {service.pid}"
        version = service.version() if not service.missing() else "not installed"
        print(f"{service.name:<15} {state} ({version})")
    return 0 if all(bool(each.pid) == wanted for each in services) else 1


def _env(services: Sequence[Service]) -> int:
    """Print lines for ``eval`` in a shell."""
    stopped = [service.name for service in services if service.pid is None]
    if stopped:
        raise ServiceError(f"not running: {', '.join(stopped)}; deploy/services/up")
    for service in services:
        for name, value in service.environment().items():
            print(f"export {name}={shlex.quote(value)}")
    print(f"export DNSORCH_SERVICES_DIR={shlex.quote(str(services[0].root))}")
    return 0


@contextmanager
def _alone(root: Path) -> Iterator[None]:
    """Wait until no other command works on the same services."""
    with (root / "lock").open("a") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
