"""Zone transfers: AXFR (RFC 5936) out to whoever asks, and in to a secondary."""

from __future__ import annotations

import asyncio
import logging
import math
from collections import deque
from collections.abc import Callable, Iterator
from typing import cast

import dns.asyncquery
import dns.btree
import dns.exception
import dns.flags
import dns.message
import dns.name
import dns.node
import dns.rdatatype
import dns.rrset
import dns.serial
import dns.xfr

from dnsorch.embedded.nameserver import zone as zones
from dnsorch.embedded.nameserver.tsig import Keyring

logger = logging.getLogger(__name__)

#: Uncompressed octets of RRs that a message of a transfer is filled with.
MESSAGE_OCTETS = 16_384

#: Seconds between two looks at the primary, and how long each may take.
POLL_INTERVAL = 0.1
POLL_TIMEOUT = 5.0


def outgoing(
    version: zones.Version, query: dns.message.Message
) -> Iterator[dns.message.Message]:
    """Yield the messages of a transfer of the version, to be signed as one stream."""
    response = _message(query)
    octets = 0
    for rr in _stream(version):
        size = len(rr.name.to_wire() or b"") + 10 + len(rr[0].to_wire() or b"")
        if response.answer and octets + size > MESSAGE_OCTETS:
            yield response
            response, octets = _message(query), 0
        response.answer.append(rr)
        octets += size
    yield response


def _message(query: dns.message.Message) -> dns.message.Message:
    """Return an empty message of a transfer."""
    response = dns.message.make_response(query)
    response.flags |= dns.flags.AA
    return response


def _stream(version: zones.Version) -> Iterator[dns.rrset.RRset]:
    """Yield every RR by itself, the SOA first and last (section 2.2)."""
    assert version.origin is not None
    soa = zones.soa_of(version)
    yield dns.rrset.from_rdata(version.origin, soa.ttl, soa[0])
    nodes: list[dns.btree.KV[dns.name.Name, dns.node.Node]] = []
    tree = cast("dns.btree.BTreeDict[dns.name.Name, dns.node.Node]", version.nodes)
    tree.visit_in_order(nodes.append)
    for node in nodes:
        for rdataset in node.value().rdatasets:
            if rdataset.rdtype == dns.rdatatype.SOA:
                continue
            for rdata in rdataset:
                yield dns.rrset.from_rdata(node.key(), rdataset.ttl, rdata)
    yield dns.rrset.from_rdata(version.origin, soa.ttl, soa[0])


class Follower:
    """Keeps one zone of a secondary as far behind its primary as it is told."""

    def __init__(
        self,
        origin: dns.name.Name,
        primary: tuple[str, int],
        keys: Keyring,
        lag: Callable[[], float],
    ) -> None:
        """Follow ``origin`` at ``primary``; sign with the first key, if any.

        ``lag`` is asked each time for the seconds to wait before a version is served.
        """
        self._origin = origin
        self._host, self._port = primary
        self._keys = keys or None
        self._lag = lag
        self._seen: deque[tuple[float, zones.Zone]] = deque()
        self._serial: int | None = None

    async def run(self, publish: Callable[[zones.Zone], None]) -> None:
        """Poll for ever; hand each version over when it is due."""
        clock = asyncio.get_running_loop().time
        while True:
            try:
                found = await self._poll()
            except (OSError, EOFError, dns.exception.DNSException) as error:
                logger.debug("%s: no transfer: %r", self._origin, error)
                found = None
            if found is not None:
                first = self._serial is None
                self._serial = zones.serial_of(zones.current(found))
                self._seen.append((-math.inf if first else clock(), found))
            while self._seen and self._is_due(self._seen[0][0], clock()):
                publish(self._seen.popleft()[1])
            await asyncio.sleep(POLL_INTERVAL)

    def _is_due(self, seen_at: float, now: float) -> bool:
        """Say whether a version seen at this time is to be served now."""
        return seen_at == -math.inf or now - seen_at >= self._lag()

    async def _poll(self) -> zones.Zone | None:
        """Return the primary's zone if its serial has risen (RFC 1982)."""
        query = dns.message.make_query(self._origin, dns.rdatatype.SOA)
        if self._keys:
            query.use_tsig(self._keys)
        response = await dns.asyncquery.udp(query, self._host, POLL_TIMEOUT, self._port)
        soa = response.get_rrset(
            response.answer, self._origin, query.question[0].rdclass, dns.rdatatype.SOA
        )
        if soa is None:
            return None
        serial = dns.serial.Serial(cast(zones.SOA, soa[0]).serial)
        if self._serial is not None and serial <= dns.serial.Serial(self._serial):
            return None
        zone = zones.Zone(self._origin, relativize=False)
        transfer, _ = dns.xfr.make_query(zone, serial=None, keyring=self._keys)
        await dns.asyncquery.inbound_xfr(
            self._host, zone, transfer, self._port, lifetime=POLL_TIMEOUT
        )
        return zone
