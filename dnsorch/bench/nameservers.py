"""Two BINDs of the bench's own, a primary and its secondary, with very many zones."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType

from deploy.services import tsig
from deploy.services.base import keep
from deploy.services.bind import Primary, Secondary
from deploy.services.ports import HOST, Ports

# BIND asks and tells about 20 zones a second and takes 150 connections by default,
# which is the floor of nothing.
RATES = """options {
    notify-rate 10000;
    startup-notify-rate 10000;
    serial-query-rate 10000;
    transfers-in 200;
    transfers-per-ns 200;
    tcp-clients 10000;
"""
PRIMARY = """zone "{zone}" {{
    type primary;
    file "{directory}/{zone}db";
    also-notify {{ {host} port {secondary}; }};
    allow-transfer {{ key "transfer."; key "dnsorch."; }};
    update-policy {{ grant dnsorch. zonesub ANY; }};
}};
"""
SECONDARY = """zone "{zone}" {{
    type secondary;
    file "{directory}/{zone}db";
    primaries {{ {host} port {primary} key "transfer."; }};
    allow-notify {{ {host}; }};
    allow-transfer {{ none; }};
}};
"""


class BenchPrimary(Primary):
    """The update server of further zones beside the one of the services.

    ``zones`` says how many hosts each of them has at first.
    """

    zones: Mapping[str, int] = MappingProxyType({})

    def configuration(self) -> Mapping[str, str]:
        """Return the usual files, with the zones."""
        found = dict(super().configuration())
        found["named.conf"] = found["named.conf"].replace("options {\n", RATES)
        found["named.conf"] += "".join(
            PRIMARY.format(
                zone=zone,
                directory=self.directory,
                host=HOST,
                secondary=self.ports[Secondary.name],
            )
            for zone in self.zones
        )
        return found

    def prepare(self) -> None:
        """Write the files of the zones."""
        super().prepare()
        for zone, count in self.zones.items():
            text = self.render("zone", zone=zone)
            text += "".join(f"host-{n} 300 A 192.0.2.1\n" for n in range(count))
            keep(self.directory / f"{zone}db", text)


class BenchSecondary(Secondary):
    """The secondary of the same zones."""

    zones: Mapping[str, int] = MappingProxyType({})

    def configuration(self) -> Mapping[str, str]:
        """Return the usual files, with the zones."""
        found = dict(super().configuration())
        found["named.conf"] = found["named.conf"].replace("options {\n", RATES)
        found["named.conf"] += "".join(
            SECONDARY.format(
                zone=zone,
                directory=self.directory,
                host=HOST,
                primary=self.ports[Primary.name],
            )
            for zone in self.zones
        )
        return found


class NameServers:
    """Both of them, and how to speak to them."""

    def __init__(self, root: Path, zones: Mapping[str, int]) -> None:
        """Keep their data in ``root``."""
        self._root = root
        root.mkdir()
        ports = Ports(root / "ports.json")
        self._primary = BenchPrimary(root, ports)
        self._secondary = BenchSecondary(root, ports)
        self._primary.zones = self._secondary.zones = zones

    def up(self) -> None:
        """Start them."""
        self._primary.up()
        self._secondary.up()

    def down(self) -> None:
        """Stop them."""
        self._secondary.down()
        self._primary.down()

    @property
    def ports(self) -> tuple[int, int]:
        """The ports of the primary and the secondary."""
        return self._primary.port, self._secondary.port

    @property
    def addresses(self) -> list[str]:
        """Both as ``host:port``, the update server first."""
        return [f"{HOST}:{port}" for port in self.ports]

    @property
    def key_file(self) -> Path:
        """The file with the key of updates, as ``name:algorithm:secret``."""
        return tsig.key_file(self._root)

    @property
    def key(self) -> tuple[str, str, str]:
        """The key of updates: name, secret in base64, algorithm."""
        return tsig.OURS, tsig.secret(self._root, tsig.OURS), tsig.ALGORITHM
