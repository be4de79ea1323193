"""The embedded stack: which processes, on which ports, with which variables."""

from __future__ import annotations

import os
import socket
import sys
import tempfile
from pathlib import Path
from typing import Any

from django.conf import settings
from honcho.environ import parse_procfile

from dnsorch.embedded import broker
from dnsorch.embedded.errors import PortTaken
from dnsorch.embedded.seed import HOST, ZONE, Seeded, nameservers

PROCFILE = settings.BASE_DIR / "deploy" / "embedded" / "Procfile"
# What the other processes talk to, and which therefore stops last.
FOUNDATION = ("broker", "nameserver", "kafka", "api")
# What listens where: the process of the Procfile, the variable, the kinds of socket.
PORTS = (
    ("api", "DNSORCH_PORT_API", (socket.SOCK_STREAM,)),
    ("nameserver", "DNSORCH_PORT_DNS", (socket.SOCK_STREAM, socket.SOCK_DGRAM)),
    ("kafka", "DNSORCH_PORT_KAFKA", (socket.SOCK_STREAM,)),
)


def processes() -> dict[str, str]:
    """Return the shell command of each process, by its name in the Procfile.

    What the user named in the environment, a broker, a Kafka, name servers, is used,
    not started.
    """
    commands: dict[str, str] = dict(parse_procfile(PROCFILE.read_text()).processes)
    if not _embedded_broker():
        del commands["broker"]
    if settings.KAFKA_BOOTSTRAP_SERVERS != f"{HOST}:{settings.DNSORCH_PORT_KAFKA}":
        del commands["kafka"]
    if settings.DNSORCH_NAMESERVERS:
        del commands["nameserver"]
    return commands


def check_ports() -> None:
    """Find out whether every port of the stack is free.

    Raises:
        PortTaken: one is not; the text names the variable that moves it.
    """
    started = processes()
    for process, variable, kinds in PORTS:
        port = getattr(settings, variable)
        for kind in kinds if process in started else ():
            try:
                _bind(port, kind)
            except OSError as error:
                raise PortTaken(
                    f"port {port} of {HOST} ({process}): {error.strerror}. "
                    f"Free it, or set {variable} to another port."
                ) from error


def environment() -> dict[str, str]:
    """Return the variables of the stack's processes: ours, and what the settings say.

    So the Procfile is plain shell, and all of them agree whatever is set.
    """
    path = [str(Path(sys.executable).parent), os.environ.get("PATH", os.defpath)]
    variables = {
        **os.environ,
        "PATH": os.pathsep.join(path),
        "PYTHONUNBUFFERED": "1",
        "DJANGO_SETTINGS_MODULE": "dnsorch.settings",
        "DNSORCH_VAR_DIR": str(settings.VAR_DIR),
        **{variable: str(getattr(settings, variable)) for _, variable, _ in PORTS},
    }
    if _embedded_broker():
        variables["CELERY_BROKER_URL"] = f"{broker.SCHEME}://{_broker_socket()}"
    return variables


def description(seeded: Seeded) -> dict[str, Any]:
    """Return what ``stack.json`` tells about the stack."""
    origin = f"http://{HOST}:{settings.DNSORCH_PORT_API}"
    return {
        "api": origin,
        "token": seeded.token,
        "kafka": settings.KAFKA_BOOTSTRAP_SERVERS,
        "nameserver": nameservers()[0],
        "tsig": {
            "name": seeded.tsig.name,
            "algorithm": seeded.tsig.algorithm,
            "secret": seeded.tsig.secret,
        },
        "zone": ZONE,
        "admin": f"{origin}/admin/",
        "admin_user": seeded.admin_user,
        "admin_password": seeded.admin_password,
    }


def _bind(port: int, kind: int) -> None:
    with socket.socket(socket.AF_INET, kind) as probe:
        if kind == socket.SOCK_STREAM:
            # What a stopped server left in TIME_WAIT is no obstacle.
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        probe.bind((HOST, port))


def _embedded_broker() -> bool:
    return bool(settings.CELERY_BROKER_URL == settings.EMBEDDED_BROKER_URL)


def _broker_socket() -> Path:
    """Return where the broker listens: in the data directory if its path fits."""
    path: Path = settings.VAR_DIR / "broker.sock"
    if len(os.fsencode(path)) <= broker.LONGEST_SOCKET_PATH:
        return path
    return Path(tempfile.mkdtemp(prefix="dnsorch-")) / "broker.sock"
