"""Reading a whole zone by transfer (AXFR, RFC 5936), signed where we have a key."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import dns.exception
import dns.message
import dns.name
import dns.rcode
import dns.rdatatype
import dns.rrset
import dns.tsig

from dns_records import nameservers
from dns_records.providers.base import RRsetChange
from dns_records.providers.errors import KeyRefused, Misconfigured, Unreachable
from dns_records.providers.exchange import Route
from dns_records.tcp import Connection, Deadline


def read(route: Route, zone: str, key: dns.tsig.Key | None) -> Iterator[RRsetChange]:
    """Yield what the server at ``route`` transfers, message by message.

    Each message has the route's time limit to arrive. An RRset that spans two messages
    comes in two parts.

    Raises:
        Unreachable: no connection, or it broke before the end of the zone.
        Misconfigured: the server gives the zone to nobody, or not to us.
        KeyRefused: it does not accept our key.
    """
    origin = dns.name.from_text(zone)
    query = dns.message.make_query(origin, dns.rdatatype.AXFR, flags=0)
    if key is not None:
        query.use_tsig(key)
    try:
        connection = Connection.open(
            route.endpoint, Deadline(route.connect_timeout), source=route.source
        )
    except OSError as error:
        raise Unreachable(f"no transfer of {zone}: {error}") from error
    try:
        connection.send(query.to_wire(), Deadline(route.timeout))
        soa: dns.rrset.RRset | None = None
        for message in _messages(connection, route, query):
            for rrset in message.answer:
                if soa is None and rrset.rdtype != dns.rdatatype.SOA:
                    raise Unreachable("the transfer does not begin with the SOA")
                if soa is not None and rrset.rdtype == dns.rdatatype.SOA:
                    # The end. Only some messages are signed, the last always.
                    if key is not None and not message.had_tsig:
                        raise Unreachable("the end of the transfer is not signed")
                    return
                soa = soa or rrset
                yield _as_change(rrset)
    except OSError as error:
        raise Unreachable(f"the transfer of {zone} broke off: {error}") from error
    finally:
        connection.close()


def _messages(
    connection: Connection, route: Route, query: dns.message.Message
) -> Iterator[dns.message.Message]:
    """Yield the messages of a transfer, whose signatures are chained."""
    context: Any = None
    first = True
    while True:
        wire = connection.receive(Deadline(route.timeout))
        try:
            message = dns.message.from_wire(
                wire,
                keyring=query.keyring or False,
                request_mac=query.mac or b"",
                xfr=True,
                tsig_ctx=context,
                multi=True,
            )
        except dns.tsig.PeerBadTime as error:
            raise Misconfigured(
                "the server's clock and ours differ too much"
            ) from error
        except dns.tsig.PeerError as error:
            raise KeyRefused(f"the server turned the key away: {error}") from error
        except (dns.exception.DNSException, ValueError) as error:
            raise Unreachable(f"a message of the transfer is wrong: {error}") from error
        if not query.is_response(message, xfr_continuation=not first):
            raise Unreachable("a message of the transfer answers another question")
        rcode = dns.rcode.to_text(message.rcode())
        if message.rcode() == dns.rcode.SERVFAIL:
            raise Unreachable("the server cannot transfer the zone now", rcode=rcode)
        if message.rcode() != dns.rcode.NOERROR or not message.answer:
            raise Misconfigured("the server does not transfer the zone", rcode=rcode)
        context, first = message.tsig_ctx, False
        yield message


def _as_change(rrset: dns.rrset.RRset) -> RRsetChange:
    return RRsetChange(
        rrset.name.canonicalize().to_text(),
        dns.rdatatype.to_text(rrset.rdtype),
        rrset.ttl,
        nameservers.canonical_records(rrset),
    )
