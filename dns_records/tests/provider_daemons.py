"""BIND and PowerDNS under the provider contract: daemons of the tests' own.

They run where the real services are installed. Nobody else has their zones, so a test
may stop them and make them refuse.
"""

from __future__ import annotations

import os
import signal
import socket
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Self

import dns.message
import dns.name
import dns.query
import dns.rcode
import dns.rdataclass
import dns.rdatatype
import dns.rrset
import dns.tsig
import dns.update
import dns.zone

from deploy.services import bind, powerdns, tsig
from deploy.services.base import Service as Daemon
from deploy.services.ports import HOST, Ports
from dns_records.providers.base import Provider, RRsetChange
from dns_records.providers.rfc2136 import Rfc2136Provider
from dns_records.tests.provider_services import ZONE, RealPowerDns, Service, rr
from dnsorch.tests.e2e.harness import until

# RRsets in one message that empties a zone.
AT_ONCE = 1000
FIRST = (rr("@", "NS", "ns1.example.test."), rr("ns1", "A", "127.0.0.1"))


def connected(daemon: Daemon, key: str, **options: object) -> Rfc2136Provider:
    """Return a provider that signs with one of the daemon's keys."""

    def read(*, fresh: bool = False) -> str:
        return tsig.secret(daemon.root, key)

    where = {"server": HOST, "port": daemon.port, "key_name": key}
    return Rfc2136Provider({**where, **options}, read)


class RealServer(Service):
    """A name server behind the RFC 2136 provider; it outlives the test."""

    def __init__(self, daemon: Daemon) -> None:
        """Bring its zone to what it began with."""
        self.daemon = daemon
        self.patient = self.provider = self.connect(tsig.OURS)
        self.unreachable = self.connect(tsig.OURS, server="127.0.0.2")
        self.wipe()
        self.first_serial = self.serial()

    def connect(self, key: str, **options: object) -> Rfc2136Provider:
        """Return a provider that signs with one of the daemon's keys."""
        return connected(self.daemon, key, **options)

    def wipe(self) -> None:
        """Leave only what the zone began with, whatever the types of the rest."""
        secret = tsig.secret(self.daemon.root, tsig.OURS)
        key = dns.tsig.Key(tsig.OURS, secret, tsig.ALGORITHM)
        query = dns.message.make_query(ZONE, "AXFR")
        query.use_tsig(key)
        held = dns.zone.Zone(ZONE, relativize=False)
        dns.query.inbound_xfr(
            HOST, held, query, self.daemon.port, timeout=5, lifetime=60
        )
        there = [
            (name, rdataset.rdtype)
            for name, rdataset in held.iterate_rdatasets()
            if rdataset.rdtype != dns.rdatatype.SOA
        ]
        for start in range(0, max(len(there), 1), AT_ONCE):
            update = dns.update.UpdateMessage(ZONE, keyring=key)
            for name, rdtype in there[start : start + AT_ONCE]:
                update.delete(name, rdtype)
            for each in FIRST:
                update.replace(each.name, each.ttl, each.type, *each.records)
            answer = dns.query.tcp(update, HOST, 30, self.daemon.port)
            assert answer.rcode() == dns.rcode.NOERROR, answer

    def ask(self, name: str, rtype: str) -> dns.rrset.RRset | None:
        """Return an RRset as served."""
        query = dns.message.make_query(name, rtype, flags=0)
        answer = dns.query.tcp(query, HOST, 5, self.daemon.port)
        return answer.get_rrset(
            answer.answer,
            dns.name.from_text(name),
            dns.rdataclass.IN,
            dns.rdatatype.from_text(rtype),
        )

    def serial(self) -> int:
        """Return the serial, which rises by one with each message."""
        soa = self.ask(ZONE, "SOA")
        assert soa is not None
        serial: int = soa[0].serial
        return serial

    def rrset(self, name: str, rtype: str) -> tuple[int, tuple[str, ...]] | None:
        found = self.ask(name, rtype)
        return (found.ttl, tuple(sorted(r.to_text() for r in found))) if found else None

    def updates(self) -> int:
        return self.serial() - self.first_serial

    def refuse(self, *names: str) -> None:
        # A key that the server knows; neither server lets it write the marker.
        self.provider = self.connect(tsig.OTHER)

    def ignore(self, name: str) -> None:
        # BIND leaves out what does not fit beside a CNAME.
        self.patient.apply(ZONE, [RRsetChange(name, "CNAME", 300, ("a.example.net.",))])

    def lose_answers(self) -> None:
        self.provider = self.connect(tsig.OURS, timeout_s=0.2)
        self.seen = self.serial()
        self.send(signal.SIGSTOP)

    def heal(self) -> None:
        self.provider = self.patient
        self.send(signal.SIGCONT)
        until(lambda: self.serial() > self.seen or None, "what waited is applied")

    def send(self, number: signal.Signals) -> None:
        """Send a signal to the daemon."""
        assert self.daemon.pid is not None
        os.kill(self.daemon.pid, number)


class Bind(RealServer):
    """BIND 9: what it cannot do it leaves out, and says NOERROR."""

    def refuse(self, *names: str) -> None:
        # The other key may write some types; a key of transfers may write nothing.
        self.provider = self.connect(tsig.OTHER if names else tsig.TRANSFER)


class PowerDnsUpdate(RealServer):
    """PowerDNS by DNS UPDATE: what it cannot do makes it refuse the whole."""

    refuses_conflicts = True
    cannot = {"ignore": "it never ignores a part of an UPDATE"}


def listens(port: int) -> bool:
    """Say whether somebody takes connections."""
    try:
        socket.create_connection((HOST, port), 1).close()
    except OSError:
        return False
    return True


def powerdns_api(daemon: Daemon) -> Service:
    """Return PowerDNS by its API, with a zone as new."""
    # It answers DNS a little earlier.
    until(lambda: listens(daemon.ports["powerdns-api"]) or None, "the API listens")
    url = f"http://{HOST}:{daemon.ports['powerdns-api']}"
    service = RealPowerDns(url, daemon.secret("powerdns-api").read_text().strip())
    service.create()
    return service


Kind = tuple[type[Daemon], Callable[[Daemon], Service]]

#: The daemon, and how it is tested, by the id of the tests.
KINDS: Mapping[str, Kind] = {
    "bind": (bind.Primary, Bind),
    "powerdns-update": (powerdns.PowerDNS, PowerDnsUpdate),
    "powerdns-api": (powerdns.PowerDNS, powerdns_api),
}


class Daemons:
    """Daemons that start when they are asked for, and stop together."""

    def __init__(self, root: Path) -> None:
        """Keep their data in ``root``."""
        self._root = root
        self._running: dict[str, Daemon] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        for daemon in self._running.values():
            daemon.down()

    def transfers(self, name: str) -> Provider:
        """Return what reads the zone of a running server as it is served."""
        daemon = self._running[name]
        if isinstance(daemon, bind.Primary):
            return connected(daemon, tsig.OURS)
        # PowerDNS looks at the address.
        return Rfc2136Provider({"server": HOST, "port": daemon.port}, None)

    def server(self, name: str, of: Kind | None = None) -> Service:
        """Return a server with a zone as new; ``of`` is a kind of a test's own."""
        kind, server = of or KINDS[name]
        if name not in self._running:
            root = self._root / name
            root.mkdir()
            self._running[name] = kind(root, Ports(root / "ports.json"))
            self._running[name].up()
        return server(self._running[name])
