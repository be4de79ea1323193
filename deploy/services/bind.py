"""BIND 9: a primary that takes signed updates, and a secondary that follows it."""

from __future__ import annotations

import subprocess
from collections.abc import Mapping, Sequence
from typing import ClassVar

from deploy.services import packages, tsig
from deploy.services.base import Service, keep
from deploy.services.ports import HOST

ZONE = "example.test."


class Bind(Service):
    """What both servers have in common."""

    packages = ("bind9",)
    programs = ("named", "rndc")
    template: ClassVar[str]
    control_port: ClassVar[str]

    def configuration(self) -> Mapping[str, str]:
        """Return ``named.conf`` and the configuration of ``rndc``."""
        values = {
            "zone": ZONE,
            "port": self.port,
            "control_port": self.ports[self.control_port],
            "control_secret": tsig.secret(self.root, f"rndc-{self.name}."),
            "primary_port": self.ports[Primary.name],
            "secondary_port": self.ports[Secondary.name],
            "secret": tsig.secret(self.root, tsig.OURS),
            "other_secret": tsig.secret(self.root, tsig.OTHER),
            "transfer_secret": tsig.secret(self.root, tsig.TRANSFER),
        }
        common = self.render("named.conf", **values)
        return {
            "named.conf": common + self.render(self.template, **values),
            "rndc.conf": self.render("rndc.conf", **values),
        }

    def command(self) -> Sequence[str]:
        """Return the server's command: in the foreground, its log on stderr."""
        named = packages.program("named") or "named"
        return [named, "-g", "-n", "1", "-c", str(self.directory / "named.conf")]

    def rndc(self, *words: str) -> str:
        """Tell the server something; return what it says."""
        program = packages.program("rndc") or "rndc"
        configured = [program, "-c", str(self.directory / "rndc.conf")]
        return subprocess.check_output([*configured, *words], text=True)

    def version(self) -> str:
        """Return what the server says."""
        named = packages.program("named") or "named"
        return subprocess.check_output([named, "-v"], text=True).split(" (")[0].strip()


class Primary(Bind):
    """The update server: TSIG, a dynamic zone, a narrow ``update-policy``."""

    name = "bind"
    ports_used = ("bind", "bind-control")
    control_port = "bind-control"
    template = "primary.conf"

    def prepare(self) -> None:
        """Write the zone file; from then on it is BIND's own."""
        path = self.directory / "zone"
        if not path.exists():
            keep(path, self.render("zone", zone=ZONE))

    def environment(self) -> Mapping[str, str]:
        """Return where the servers are and which key they take."""
        servers = f"{HOST}:{self.port},{HOST}:{self.ports[Secondary.name]}"
        return {
            "DNSORCH_NAMESERVERS": servers,
            "DNSORCH_TSIG_KEY_FILE": str(tsig.key_file(self.root)),
            "DNSORCH_TEST_BIND": f"{HOST}:{self.port}",
            "DNSORCH_TEST_TSIG_NAME": tsig.OURS,
            "DNSORCH_TEST_TSIG_ALGORITHM": tsig.ALGORITHM,
            "DNSORCH_TEST_TSIG_SECRET_FILE": str(
                tsig.secret_file(self.root, tsig.OURS)
            ),
        }


class Secondary(Bind):
    """It transfers the zone (IXFR) when the primary notifies it."""

    name = "bind-secondary"
    ports_used = ("bind-secondary", "bind-secondary-control")
    control_port = "bind-secondary-control"
    template = "secondary.conf"

    def environment(self) -> Mapping[str, str]:
        """Return where it is."""
        return {"DNSORCH_TEST_BIND_SECONDARY": f"{HOST}:{self.port}"}
