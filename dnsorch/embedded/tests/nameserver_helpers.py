"""What the tests of the name server share: a zone, a key, and ways to ask."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import dns.message
import dns.name
import dns.query
import dns.rcode
import dns.rdata
import dns.update
import dns.xfr
import dns.zone

from dnsorch.embedded.nameserver import AppliedUpdate, Faults, tsig
from dnsorch.embedded.nameserver import zone as zones
from dnsorch.embedded.nameserver.responder import HostedZone, Responder

ORIGIN = dns.name.from_text("example.test.")
KEY = tsig.key("tests:hmac-sha256:c2VjcmV0c2VjcmV0c2VjcmV0")
ZONE = """\
$TTL 300
@ SOA ns1 hostmaster 10 3600 900 604800 60
@ NS ns1
@ NS ns.other.test.
ns1 A 127.0.0.1
www A 192.0.2.1
www A 192.0.2.2
alias CNAME www
far CNAME www.other.test.
dangling CNAME nothing
loop CNAME pool
pool CNAME loop
a.deep.ent TXT "x"
*.wild TXT "any"
*.wildalias CNAME www
sub NS ns.sub
sub DS 1 8 2 {digest}
ns.sub A 192.0.2.53
""".format(digest="00" * 32)


class Server:
    """A responder without sockets, and what it was told to apply."""

    def __init__(
        self,
        text: str = ZONE,
        *,
        keys: Iterable[dns.tsig.Key] = (),
        faults: Faults = Faults(),
    ) -> None:
        """Serve the zone in ``text``."""
        self.updates: list[AppliedUpdate] = []
        self.responder = Responder(tsig.keyring(keys), faults, self.updates.append)
        self.zone = zones.from_text(text, ORIGIN)
        self.responder.hosted[ORIGIN] = HostedZone(self.zone)

    def send(self, wire: bytes, *, stream: bool = False) -> list[bytes]:
        """Return the messages that answer the octets of a request."""
        return list(self.responder.respond(wire, "192.0.2.99:5300", stream=stream))

    def ask(
        self, request: dns.message.Message, *, stream: bool = False
    ) -> dns.message.Message:
        """Return the one message that answers a request, its TSIG verified."""
        (wire,) = self.send(request.to_wire(), stream=stream)
        return dns.message.from_wire(
            wire, keyring=request.keyring, request_mac=request.mac
        )

    def query(self, name: str, rdtype: str) -> dns.message.Message:
        """Return the answer to a query over UDP."""
        qname = dns.name.from_text(name, ORIGIN)
        return self.ask(dns.message.make_query(qname, rdtype))

    def update(self, *lines: str) -> str:
        """Send an UPDATE of :func:`update_message` and return the rcode's name."""
        return dns.rcode.to_text(self.ask(update_message(*lines)).rcode())

    def records(self) -> list[str]:
        """Return the zone as sorted lines ``name ttl type rdata``, without the SOA."""
        return sorted(
            f"{name.relativize(ORIGIN)} {rdataset.ttl} {rdata.rdtype.name}"
            f" {rdata.to_text(origin=ORIGIN)}"
            for name, rdataset in self.zone.iterate_rdatasets()
            for rdata in rdataset
            if rdata.rdtype != dns.rdatatype.SOA
        )

    @property
    def serial(self) -> int:
        """The serial that the zone has now."""
        return zones.serial_of(zones.current(self.zone))


def update_message(
    *lines: str, zone: str = "example.test.", key: dns.tsig.Key | None = None
) -> dns.update.UpdateMessage:
    """Return an UPDATE from lines in the manner of nsupdate.

    ``add NAME TTL TYPE RDATA``, ``del NAME [TYPE [RDATA]]``, ``yx NAME [TYPE [RDATA]]``
    (is in use), ``nx NAME [TYPE]`` (is not); names are relative to the zone.
    """
    message = dns.update.UpdateMessage(zone, keyring=key)
    for line in lines:
        verb, name, *rest = line.split(None, 3 if line.startswith(("del", "yx")) else 4)
        arguments: list[Any] = rest[:1] if verb != "add" else rest[:2]
        if len(rest) > len(arguments):
            rdata = dns.rdata.from_text(
                "IN", arguments[-1], rest[-1], origin=ORIGIN, relativize=False
            )
            arguments[-1:] = [rdata]
        owner = dns.name.from_text(name, ORIGIN)
        if verb == "add":
            message.add(owner, int(arguments[0]), arguments[1])
        elif verb == "del":
            message.delete(owner, *arguments)
        elif verb == "yx":
            message.present(owner, *arguments)
        else:
            message.absent(owner, *arguments)
    return message


def content(zone: dns.zone.Zone) -> list[str]:
    """Return every RR of a zone as a line, sorted."""
    return sorted(
        f"{name} {rdataset.ttl} {rdata.rdtype.name} {rdata.to_text()}"
        for name, rdataset in zone.iterate_rdatasets()
        for rdata in rdataset
    )


def transferred(
    where: tuple[str, int], keyring: tsig.Keyring | None = None
) -> dns.zone.Zone:
    """Return the example zone as a server at ``where`` transfers it."""
    zone = dns.zone.Zone(ORIGIN, relativize=False)
    query, _ = dns.xfr.make_query(zone, serial=None, keyring=keyring)
    dns.query.inbound_xfr(where[0], zone, query, port=where[1], lifetime=10)
    return zone
