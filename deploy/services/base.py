"""What all services have in common: files, a port, a process, a moment of readiness."""

from __future__ import annotations

import os
import secrets
import shlex
import signal
import socket
import time
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from pathlib import Path
from string import Template
from typing import ClassVar

from deploy.services import packages, processes
from deploy.services.errors import ServiceError
from deploy.services.ports import HOST, Ports

TEMPLATES = Path(__file__).parent / "templates"
READY_SECONDS = 60.0
LOG_LINES = 15


class Service(ABC):
    """One service with its data in ``root/<name>``; a subclass says how it is run."""

    name: ClassVar[str]
    #: Debian's packages, and the programs by which they are known to be there.
    packages: ClassVar[Sequence[str]]
    programs: ClassVar[Sequence[str]]
    #: Purposes of the ports that it listens on; the first is the one it is known by.
    ports_used: ClassVar[Sequence[str]]
    stop_signal: ClassVar[signal.Signals] = signal.SIGTERM

    def __init__(self, root: Path, ports: Ports) -> None:
        """Name the directory of all services, and who gives out ports."""
        self.root = root
        self.ports = ports
        self.directory = root / self.name
        self.log = self.directory / "log"
        self.pid_file = self.directory / "pid"
        self.command_file = self.directory / "command"

    # --- what a subclass says -------------------------------------------------------

    @abstractmethod
    def configuration(self) -> Mapping[str, str]:
        """Return the text of each configuration file, by its name."""

    @abstractmethod
    def command(self) -> Sequence[str]:
        """Return the command that runs it in the foreground."""

    @abstractmethod
    def version(self) -> str:
        """Return its version as it says it itself."""

    def environment(self) -> Mapping[str, str]:
        """Return the variables that lead dnsorch and its tests here."""
        return {}

    def prepare(self) -> None:
        """Make what has to be there before the first start; done already, nothing."""

    def settle(self) -> None:
        """Make what can be made only while it runs; done already, nothing."""

    def answers(self) -> bool:
        """Say whether it takes connections."""
        try:
            with socket.create_connection((HOST, self.port), timeout=1):
                return True
        except OSError:
            return False

    # --- what a caller does ---------------------------------------------------------

    @property
    def port(self) -> int:
        """The port that it is known by."""
        return self.ports[self.ports_used[0]]

    @property
    def pid(self) -> int | None:
        """Its process id; None if it does not run."""
        return processes.running(self.pid_file)

    def missing(self) -> Sequence[str]:
        """Return the packages that are not installed."""
        return () if all(map(packages.program, self.programs)) else self.packages

    def up(self) -> None:
        """Start it unless it runs with the same configuration already.

        Raises:
            ServiceError: it does not come up.
        """
        self.directory.mkdir(parents=True, exist_ok=True)
        self.find_ports()
        changed = self._write_configuration()
        if self.pid is not None and (changed or self._started_otherwise()):
            self.down()
        if self.pid is None:
            self.prepare()
            keep(self.command_file, shlex.join(self.command()))
            processes.start(self.pid_file, self.command(), log=self.log, env={})
        self._await()
        self.settle()

    def find_ports(self) -> None:
        """Choose other ports for those that somebody else has meanwhile."""
        if self.pid is None:
            for purpose in self.ports_used:
                self.ports.renew_if_taken(purpose)

    def down(self) -> None:
        """Stop it; the data stays."""
        processes.stop(self.pid_file, self.stop_signal)

    def secret(self, name: str, octets: int = 24) -> Path:
        """Return the file of a secret, made at the first time."""
        path = self.root / "secrets" / name
        if not path.exists():
            path.parent.mkdir(parents=True, exist_ok=True)
            keep(path, secrets.token_urlsafe(octets) + "\n")
        return path

    def render(self, template: str, **values: object) -> str:
        """Return a file of ``templates`` with its ``$names`` filled in."""
        return Template((TEMPLATES / template).read_text()).substitute(
            host=HOST, directory=self.directory, **values
        )

    def _write_configuration(self) -> bool:
        changed = False
        for name, text in self.configuration().items():
            path = self.directory / name
            if not path.exists() or path.read_text() != text:
                keep(path, text)
                changed = True
        return changed

    def _started_otherwise(self) -> bool:
        """Say whether it runs with other options than it would be started with now."""
        if not self.command_file.exists():
            return True
        return self.command_file.read_text() != shlex.join(self.command())

    def _await(self) -> None:
        deadline = time.monotonic() + READY_SECONDS
        while not self.answers():
            if self.pid is None or time.monotonic() > deadline:
                lines = self.log.read_text(errors="replace").splitlines()[-LOG_LINES:]
                raise ServiceError(f"{self.name} does not answer:\n" + "\n".join(lines))
            time.sleep(0.05)


def keep(path: Path, text: str) -> None:
    """Write a file that others on the machine may not read."""
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w") as file:
        file.write(text)
