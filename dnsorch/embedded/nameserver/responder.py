"""From the octets of a request to the octets of its answer, without sockets."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import cast

import dns.exception
import dns.flags
import dns.message
import dns.name
import dns.opcode
import dns.rcode
import dns.rdataclass
import dns.rdatatype
import dns.rrset
import dns.update
import dns.zone

from dnsorch.embedded.nameserver import lookup, transfer, tsig, update
from dnsorch.embedded.nameserver import zone as zones
from dnsorch.embedded.nameserver.errors import UpdateRefused
from dnsorch.embedded.nameserver.faults import Faults
from dnsorch.embedded.nameserver.journal import AppliedUpdate, Journal

logger = logging.getLogger(__name__)

HEADER_OCTETS = 12
#: What an answer over UDP may have: without EDNS, and with it at most (RFC 9715).
UDP_OCTETS = 512
EDNS_UDP_OCTETS = 1232


@dataclass
class HostedZone:
    """A zone of this server.

    A secondary has no ``zone`` before its first transfer; only what is changed by
    UPDATE and kept on disk has a ``journal``.
    """

    zone: zones.Zone | None
    journal: Journal | None = None
    secondary: bool = False


class Responder:
    """Answers requests one after the other, each in full before the next."""

    def __init__(
        self,
        keys: tsig.Keyring,
        faults: Faults,
        on_update: Callable[[AppliedUpdate], None],
    ) -> None:
        """Serve nothing yet: ``hosted`` is filled later.

        ``on_update`` is called for each applied UPDATE, before its answer goes out.
        """
        self.hosted: dict[dns.name.Name, HostedZone] = {}
        self.faults = faults
        self._keys = keys
        self._on_update = on_update

    def respond(self, wire: bytes, client: str, *, stream: bool) -> Iterator[bytes]:
        """Yield the answer: no message, one, or many for a transfer.

        ``client`` is ``host:port`` for the log; ``stream`` says TCP.
        """
        if len(wire) < HEADER_OCTETS or wire[2] & 0x80:
            return  # not a request: an answer might go back and forth for ever
        opcode = (wire[2] & 0x78) >> 3
        if opcode not in (dns.opcode.QUERY, dns.opcode.UPDATE):
            yield _bare(wire, dns.rcode.NOTIMP)
            return
        try:
            request = tsig.parse(wire, self._keys)
            if len(request.question) != 1:
                raise dns.exception.FormError
        except tsig.BadRequest as bad:
            logger.warning("%s: request with a bad TSIG", client)
            yield bad.response.to_wire()
            return
        except dns.exception.DNSException as error:
            logger.warning("%s: malformed request: %r", client, error)
            yield _bare(wire, dns.rcode.FORMERR)
            return
        try:
            yield from self._respond(request, client, stream=stream)
        except Exception:
            logger.exception("%s: request failed", client)
            response = dns.message.make_response(request)
            response.set_rcode(dns.rcode.SERVFAIL)
            yield response.to_wire()

    def _respond(
        self, request: dns.message.Message, client: str, *, stream: bool
    ) -> Iterator[bytes]:
        """Yield the answer to a well-formed request."""
        if isinstance(request, dns.update.UpdateMessage):
            response = dns.message.make_response(request)
            response.set_rcode(self._update(request, client))
            yield response.to_wire(max_size=65535)
            return
        response = dns.message.make_response(request, our_payload=EDNS_UDP_OCTETS)
        if request.edns > 0:
            response.set_rcode(dns.rcode.BADVERS)
        elif transferred := self._query(request, response, stream=stream):
            yield from _sign_stream(transfer.outgoing(transferred, request))
            return
        yield response.to_wire(
            max_size=65535 if stream else _udp_octets(request), prefer_truncation=True
        )

    def _query(
        self,
        request: dns.message.Message,
        response: dns.message.Message,
        *,
        stream: bool,
    ) -> zones.Version | None:
        """Fill the response to a query, or return the version to transfer."""
        question = request.question[0]
        hosted = self._enclosing(question.name)
        if hosted is None or question.rdclass != dns.rdataclass.IN:
            response.set_rcode(dns.rcode.REFUSED)
        elif hosted.zone is None:
            response.set_rcode(dns.rcode.SERVFAIL)
        else:
            version = zones.current(hosted.zone)
            if question.rdtype not in (dns.rdatatype.AXFR, dns.rdatatype.IXFR):
                lookup.answer(version, question.name, question.rdtype, response)
            elif question.name != version.origin:
                response.set_rcode(dns.rcode.NOTAUTH)
            elif stream:
                return version
            elif question.rdtype == dns.rdatatype.AXFR:
                response.set_rcode(dns.rcode.FORMERR)
            else:  # "too much for UDP" (RFC 1995 section 2): ask again over TCP
                lookup.answer(version, question.name, dns.rdatatype.SOA, response)
        return None

    def _enclosing(self, name: dns.name.Name) -> HostedZone | None:
        """Return the hosted zone that is closest above a name."""
        while True:
            if hosted := self.hosted.get(name):
                return hosted
            if name == dns.name.root:
                return None
            name = name.parent()

    def _update(
        self, request: dns.update.UpdateMessage, client: str
    ) -> dns.rcode.Rcode:
        """Carry out an UPDATE and return its rcode."""
        section = request.zone[0]
        hosted = self.hosted.get(section.name)
        try:
            if hosted is None or section.rdclass != dns.rdataclass.IN:
                raise UpdateRefused(dns.rcode.NOTAUTH, "not a zone of this server")
            if hosted.secondary:
                raise UpdateRefused(dns.rcode.REFUSED, "this is a secondary")
            if self._keys and not request.had_tsig:
                raise UpdateRefused(dns.rcode.REFUSED, "not signed")
            self._change(hosted, request, client)
        except UpdateRefused as refused:
            rcode = dns.rcode.to_text(refused.rcode)
            logger.info(
                "UPDATE %s from %s: %s, %s", section.name, client, rcode, refused
            )
            return refused.rcode
        return dns.rcode.NOERROR

    def _change(
        self, hosted: HostedZone, request: dns.update.UpdateMessage, client: str
    ) -> None:
        """Apply an UPDATE: on disk first, then to be seen, then in the log."""
        assert hosted.zone is not None
        with hosted.zone.writer() as txn:
            writer = cast(dns.zone.Transaction, txn)
            difference = update.run(writer, request, self.faults)
            if not any(difference):
                txn.rollback()
                return
            assert writer.version is not None
            applied = AppliedUpdate(
                at=datetime.now(UTC).isoformat(),
                zone=str(zones.origin_of(hosted.zone)),
                serial=zones.serial_of(writer.version),
                client=client,
                key=str(request.keyname) if request.had_tsig else None,
                adds=difference.adds,
                deletes=difference.deletes,
            )
            if hosted.journal is not None:
                hosted.journal.append(applied)
        self._on_update(applied)
        logger.info(
            "UPDATE %s from %s: serial %d, %d RRs added, %d deleted",
            applied.zone,
            client,
            applied.serial,
            len(applied.adds),
            len(applied.deletes),
        )


def _bare(wire: bytes, rcode: dns.rcode.Rcode) -> bytes:
    """Return an answer of nothing but a header: same id, opcode and RD bit."""
    return wire[:2] + bytes((0x80 | (wire[2] & 0x79), rcode)) + bytes(8)


def _udp_octets(request: dns.message.Message) -> int:
    """Return how long an answer over UDP may be."""
    if request.edns < 0:
        return UDP_OCTETS
    return min(max(request.payload, UDP_OCTETS), EDNS_UDP_OCTETS)


def _sign_stream(messages: Iterator[dns.message.Message]) -> Iterator[bytes]:
    """Yield a transfer with its TSIGs chained (RFC 8945 section 5.3.1)."""
    context = None
    for message in messages:
        yield message.to_wire(max_size=65535, multi=True, tsig_ctx=context)
        context = message.tsig_ctx
