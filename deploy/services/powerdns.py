"""PowerDNS on SQLite: updates signed by TSIG, and its HTTP API."""

from __future__ import annotations

import sqlite3
import subprocess
from collections.abc import Mapping, Sequence
from contextlib import closing
from pathlib import Path

from deploy.services import packages, tsig
from deploy.services.base import Service
from deploy.services.ports import HOST

#: The second is for those who have the first elsewhere already.
ZONES = ("example.test.", "powerdns.test.")
SCHEMA = Path("/usr/share/pdns-backend-sqlite3/schema/schema.sqlite3.sql")


class PowerDNS(Service):
    """One server that receives the updates, as the marker RR wants it."""

    name = "powerdns"
    packages = ("pdns-server", "pdns-backend-sqlite3")
    programs = ("pdns_server",)
    ports_used = ("powerdns", "powerdns-api")

    def missing(self) -> Sequence[str]:
        """Return the packages that are not installed, the backend's too."""
        return super().missing() or (() if SCHEMA.exists() else self.packages)

    def configuration(self) -> Mapping[str, str]:
        """Return ``pdns.conf``."""
        return {
            "pdns.conf": self.render(
                "pdns.conf",
                port=self.port,
                api_port=self.ports["powerdns-api"],
                api_key=self.secret("powerdns-api").read_text().strip(),
            )
        }

    def prepare(self) -> None:
        """Make the database: zones, key, and what the key may do."""
        path = self.directory / "zones.sqlite3"
        if path.exists():
            return
        with sqlite3.connect(path) as database:
            database.executescript(SCHEMA.read_text())
            # The other key is known, and may do nothing.
            database.executemany(
                "INSERT INTO tsigkeys (name, algorithm, secret) VALUES (?, ?, ?)",
                [
                    (key.rstrip("."), tsig.ALGORITHM, tsig.secret(self.root, key))
                    for key in (tsig.OURS, tsig.OTHER)
                ],
            )
        database.close()
        add_zones(path, *ZONES)
        path.chmod(0o600)

    def command(self) -> Sequence[str]:
        """Return the server's command."""
        server = packages.program("pdns_server") or "pdns_server"
        return [server, f"--config-dir={self.directory}"]

    def environment(self) -> Mapping[str, str]:
        """Return where the server and its API are."""
        return {
            "DNSORCH_TEST_PDNS": f"{HOST}:{self.port}",
            "DNSORCH_TEST_PDNS_ZONE": ZONES[1],
            "DNSORCH_TEST_PDNS_API_URL": f"http://{HOST}:{self.ports['powerdns-api']}",
            "DNSORCH_TEST_PDNS_API_KEY_FILE": str(self.secret("powerdns-api")),
        }

    def version(self) -> str:
        """Return what the server says."""
        server = packages.program("pdns_server") or "pdns_server"
        done = subprocess.run([server, "--version"], capture_output=True, text=True)
        words = (done.stdout + done.stderr).split("PowerDNS Authoritative Server")[1]
        return f"PowerDNS Authoritative Server {words.split()[0]}"


def add_zones(path: Path, *zones: str) -> None:
    """Have zones in the server's database, as new: with what every zone needs."""
    with closing(sqlite3.connect(path, timeout=10)) as database, database:
        # What hangs on a zone goes with it.
        database.execute("PRAGMA foreign_keys = ON")
        for zone in zones:
            name = zone.rstrip(".")
            database.execute("DELETE FROM domains WHERE name = ?", (name,))
            _add_zone(database, name)


def _add_zone(database: sqlite3.Connection, zone: str) -> None:
    added = database.execute(
        "INSERT INTO domains (name, type) VALUES (?, 'NATIVE')", (zone,)
    )
    number = added.lastrowid
    soa = f"ns1.{zone} hostmaster.{zone} 1 60 1 86400 60"
    records = [
        (zone, "SOA", soa),
        (zone, "NS", f"ns1.{zone}"),
        (f"ns1.{zone}", "A", HOST),
    ]
    database.executemany(
        "INSERT INTO records (domain_id, name, type, content, ttl, auth)"
        " VALUES (?, ?, ?, ?, 300, 1)",
        [(number, *record) for record in records],
    )
    metadata = [
        ("TSIG-ALLOW-DNSUPDATE", tsig.OURS.rstrip(".")),
        ("TSIG-ALLOW-AXFR", tsig.OURS.rstrip(".")),
        # A change that leaves the serial alone would never reach a secondary.
        ("SOA-EDIT-DNSUPDATE", "INCREASE"),
        ("SOA-EDIT-API", "INCREASE"),
    ]
    database.executemany(
        "INSERT INTO domainmetadata (domain_id, kind, content) VALUES (?, ?, ?)",
        [(number, *each) for each in metadata],
    )
