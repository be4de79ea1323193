"""PgBouncer in front of PostgreSQL, in transaction mode: sessions are nobody's own."""

from __future__ import annotations

import subprocess
from collections.abc import Mapping, Sequence

from deploy.services import accounts, packages
from deploy.services.base import Service
from deploy.services.ports import HOST
from deploy.services.postgresql import DATABASE, USER, PostgreSQL

POOL_SIZE = 3
# What PgBouncer cannot pass on from a client, and so belongs to the role.
LIMITS = {
    "statement_timeout": "30s",
    "lock_timeout": "10s",
    "idle_in_transaction_session_timeout": "5s",
}


class PgBouncer(Service):
    """One pool for every database of the role."""

    name = "pgbouncer"
    packages = ("pgbouncer",)
    programs = ("pgbouncer",)
    ports_used = ("pgbouncer",)

    def configuration(self) -> Mapping[str, str]:
        """Return ``pgbouncer.ini`` and the password of the one user."""
        return {
            "pgbouncer.ini": self.render(
                "pgbouncer.ini",
                port=self.port,
                database_port=self.ports[PostgreSQL.name],
                user=USER,
                pool_size=POOL_SIZE,
            ),
            "userlist.txt": f'"{USER}" "{self._password()}"\n',
        }

    def prepare(self) -> None:
        """Let the account read the configuration."""
        accounts.own(*(self.directory / name for name in self.configuration()))

    def command(self) -> Sequence[str]:
        """Return the command that runs it in the foreground."""
        program = packages.program("pgbouncer") or "pgbouncer"
        configured = str(self.directory / "pgbouncer.ini")
        return [*accounts.prefix(self.directory), program, configured]

    def settle(self) -> None:
        """Give the role the limits that dnsorch sets on a session of its own."""
        database = PostgreSQL(self.root, self.ports)
        for name, value in LIMITS.items():
            database.psql(f"ALTER ROLE {USER} SET {name} = '{value}'")

    def environment(self) -> Mapping[str, str]:
        """Return the URL that stands in for ``DATABASE_URL``."""
        login = f"{USER}:{self._password()}"
        url = f"postgres://{login}@{HOST}:{self.port}/{DATABASE}"
        return {"DNSORCH_TEST_PGBOUNCER_URL": url}

    def version(self) -> str:
        """Return what the program says."""
        program = packages.program("pgbouncer") or "pgbouncer"
        return subprocess.check_output([program, "--version"], text=True).split("\n")[0]

    def _password(self) -> str:
        return self.secret(PostgreSQL.name).read_text().strip()
