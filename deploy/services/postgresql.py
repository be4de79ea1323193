"""PostgreSQL: a cluster of our own, as a user who is not root, which it insists on."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

from deploy.services import accounts
from deploy.services.base import Service
from deploy.services.errors import ServiceError
from deploy.services.ports import HOST

SUPERUSER = "postgres"
USER = DATABASE = "dnsorch"
SETTINGS = {
    "listen_addresses": HOST,
    "unix_socket_directories": "",
    # Tests make and drop databases all the time. What is committed outlasts a server
    # that is killed, as the tests do, and need not outlast a power cut.
    "fsync": "off",
    "full_page_writes": "off",
}


class PostgreSQL(Service):
    """One server with a role that may make databases, as tests do."""

    name = "postgresql"
    packages = ("postgresql",)
    programs = ("psql",)
    ports_used = ("postgresql",)
    stop_signal = signal.SIGINT  # fast shutdown: sessions are ended, not waited for

    def missing(self) -> Sequence[str]:
        """Return the packages that are not installed: the client alone won't do."""
        return () if _binaries() else self.packages

    def configuration(self) -> Mapping[str, str]:
        """Return nothing: the options are on the command line."""
        return {}

    def prepare(self) -> None:
        """Make the cluster."""
        data = self.directory / "data"
        if (data / "PG_VERSION").exists():
            return
        data.mkdir(mode=0o700, exist_ok=True)
        password = self.directory / "initial-password"
        shutil.copyfile(self.secret("postgresql-superuser"), password)
        accounts.own(data, password)
        _run(
            *accounts.prefix(self.directory),
            _tool("initdb"),
            f"--pgdata={data}",
            f"--username={SUPERUSER}",
            f"--pwfile={password}",
            "--auth=scram-sha-256",
            "--encoding=UTF8",
            "--locale=C.UTF-8",
            "--no-sync",
        )
        password.unlink()

    def command(self) -> Sequence[str]:
        """Return the server's command."""
        options = [f"--{name}={value}" for name, value in SETTINGS.items()]
        data = str(self.directory / "data")
        server = [_tool("postgres"), "-D", data, "-p", str(self.port), *options]
        return [*accounts.prefix(self.directory), *server]

    def psql(self, statement: str, *, check: bool = True) -> str | None:
        """Have the superuser execute a statement; None if it fails unchecked.

        Raises:
            ServiceError: it fails.
        """
        password = self.secret("postgresql-superuser").read_text().strip()
        where = ["--host", HOST, "--port", str(self.port), "--username", SUPERUSER]
        done = subprocess.run(
            ["psql", *where, "--no-psqlrc", "--tuples-only", "--no-align"]
            + ["--dbname", "postgres", "--command", statement],
            env={**os.environ, "PGPASSWORD": password, "PGCONNECT_TIMEOUT": "2"},
            capture_output=True,
            text=True,
        )
        if done.returncode and check:
            raise ServiceError(f"psql: {done.stderr.strip()}")
        return None if done.returncode else done.stdout.strip()

    def answers(self) -> bool:
        """Say whether the server accepts sessions."""
        return self.psql("SELECT 1", check=False) is not None

    def settle(self) -> None:
        """Make role and database."""
        if self.psql(f"SELECT 1 FROM pg_roles WHERE rolname = '{USER}'"):
            return
        password = self.secret("postgresql").read_text().strip()
        self.psql(f"CREATE ROLE {USER} LOGIN CREATEDB PASSWORD '{password}'")
        self.psql(f"CREATE DATABASE {DATABASE} OWNER {USER}")

    def environment(self) -> Mapping[str, str]:
        """Return ``DATABASE_URL``."""
        password = self.secret("postgresql").read_text().strip()
        where = f"{HOST}:{self.port}/{DATABASE}"
        return {"DATABASE_URL": f"postgres://{USER}:{password}@{where}"}

    def version(self) -> str:
        """Return what the server says."""
        return _run(_tool("postgres"), "--version").strip()


def _binaries() -> Path | None:
    """Return the directory of the newest server; Debian keeps them off the PATH."""
    found = Path("/usr/lib/postgresql").glob("*/bin/postgres")
    versions = sorted(found, key=lambda path: int(path.parts[-3]))
    if versions:
        return versions[-1].parent
    on_path = shutil.which("postgres")
    return Path(on_path).resolve().parent if on_path else None


def _tool(name: str) -> str:
    return str((_binaries() or Path()) / name)


def _run(*command: str) -> str:
    done = subprocess.run(command, capture_output=True, text=True, cwd="/")
    if done.returncode:
        raise ServiceError(f"{' '.join(command)}:\n{done.stdout}{done.stderr}")
    return done.stdout
