"""The sockets of the name server, and its life from start to stop."""

from __future__ import annotations

import asyncio
import errno
import logging
from collections.abc import Callable, Coroutine, Iterable
from functools import partial
from pathlib import Path
from typing import Any

import dns.name

from dnsorch.embedded.nameserver import transfer, tsig
from dnsorch.embedded.nameserver.errors import AddressTaken
from dnsorch.embedded.nameserver.faults import Faults
from dnsorch.embedded.nameserver.journal import AppliedUpdate
from dnsorch.embedded.nameserver.responder import HostedZone, Responder
from dnsorch.embedded.nameserver.store import Store
from dnsorch.embedded.nameserver.zone import Zone, fresh, origin_of

logger = logging.getLogger(__name__)

#: How often a port is looked for that is free for UDP as well as for TCP.
PORT_ATTEMPTS = 20

#: Seconds until a task that does not end is cancelled again.
CANCEL_INTERVAL = 0.1


class NameServer:
    """An authoritative server for some zones, primary or secondary of all of them.

    It lives in one event loop; :func:`~dnsorch.embedded.nameserver.running` runs one
    in a thread.
    """

    def __init__(
        self,
        zones: Iterable[str | Zone],
        *,
        keyring: tsig.Keyring | None = None,
        data_dir: Path | None = None,
        faults: Faults = Faults(),
        primary: tuple[str, int] | None = None,
        on_update: Callable[[AppliedUpdate], None] | None = None,
    ) -> None:
        """Configure; nothing is read, written or bound before :meth:`start`.

        ``zones`` are names, or zones to begin with where ``data_dir`` keeps none of
        that name. Without ``data_dir`` all is forgotten at the end. With ``keyring``,
        UPDATEs must be signed. With ``primary`` (host and port) the server is a
        secondary, which keeps nothing. ``on_update`` is called for each applied
        UPDATE before it is answered.
        """
        self._zones = [fresh(zone) if isinstance(zone, str) else zone for zone in zones]
        self._keys = keyring or {}
        self._data_dir = data_dir
        self._primary = primary
        self._on_update = on_update
        self._store: Store | None = None
        self._responder = Responder(self._keys, faults, self._applied)
        self._udp: asyncio.DatagramTransport | None = None
        self._tcp: asyncio.Server | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self._loaded: dict[dns.name.Name, asyncio.Event] = {}

    @property
    def faults(self) -> Faults:
        """How the server misbehaves; may be replaced at any moment."""
        return self._responder.faults

    @faults.setter
    def faults(self, faults: Faults) -> None:
        self._responder.faults = faults

    @property
    def address(self) -> tuple[str, int]:
        """Host and port, the same for UDP and TCP."""
        assert self._udp is not None
        host, port = self._udp.get_extra_info("sockname")[:2]
        return host, port

    async def start(self, host: str = "127.0.0.1", port: int = 0) -> None:
        """Read the zones and listen; port 0 is any free one.

        Raises :class:`AddressTaken`, and what :class:`Store` raises.
        """
        try:
            self._open_zones()
            await self._listen(host, port)
        except BaseException:
            await self.stop()
            raise
        for origin, hosted in self._responder.hosted.items():
            if hosted.secondary:
                assert self._primary is not None
                follower = transfer.Follower(
                    origin, self._primary, self._keys, lambda: self.faults.lag
                )
                self._spawn(follower.run(partial(self._publish, origin)))

    async def loaded(self) -> None:
        """Wait until every zone is served; a secondary has to fetch them first."""
        for event in self._loaded.values():
            await event.wait()

    async def stop(self) -> None:
        """Close everything; a stopped server is not started again."""
        if self._tcp is not None:
            self._tcp.close()
        if self._udp is not None:
            self._udp.close()
        while self._tasks:
            for task in self._tasks:
                task.cancel()
            # Before Python 3.12 asyncio.wait_for may swallow a cancellation.
            await asyncio.wait(self._tasks, timeout=CANCEL_INTERVAL)
        for hosted in self._responder.hosted.values():
            if hosted.journal is not None:
                hosted.journal.close()
        if self._store is not None:
            self._store.close()

    def _open_zones(self) -> None:
        """Fill the responder with the zones to serve."""
        hosted = self._responder.hosted
        if self._data_dir is not None and self._primary is None:
            self._store = Store(self._data_dir)
        for zone in self._zones:
            origin = origin_of(zone)
            if self._primary is not None:
                hosted[origin] = HostedZone(None, secondary=True)
                self._loaded[origin] = asyncio.Event()
            elif self._store is not None:
                hosted[origin] = HostedZone(*self._store.open_zone(zone))
            else:
                hosted[origin] = HostedZone(zone)

    def _publish(self, origin: dns.name.Name, zone: Zone) -> None:
        """Serve this version of a zone from now on."""
        self._responder.hosted[origin].zone = zone
        self._loaded[origin].set()

    def _applied(self, update: AppliedUpdate) -> None:
        """Tell whoever wants to know of an applied UPDATE."""
        if self._store is not None:
            self._store.log(update)
        if self._on_update is not None:
            self._on_update(update)

    async def _listen(self, host: str, port: int) -> None:
        """Bind TCP and UDP to one port."""
        for attempt in range(PORT_ATTEMPTS):
            try:
                await self._bind(host, port)
                return
            except OSError as error:
                if error.errno != errno.EADDRINUSE:
                    raise
                if port != 0:
                    break
        raise AddressTaken(f"{host} port {port} is taken by something else.")

    async def _bind(self, host: str, port: int) -> None:
        """Bind TCP first, for there a free port is chosen, then UDP."""
        loop = asyncio.get_running_loop()
        tcp = await asyncio.start_server(self._converse, host, port)
        try:
            udp, _ = await loop.create_datagram_endpoint(
                partial(_Datagrams, self),
                local_addr=(host, tcp.sockets[0].getsockname()[1]),
            )
        except OSError:
            tcp.close()
            raise
        self._tcp, self._udp = tcp, udp

    def _spawn(self, coroutine: Coroutine[Any, Any, None]) -> None:
        """Run a task that ends with the server at the latest."""
        task = asyncio.get_running_loop().create_task(coroutine)
        self._tasks.add(task)
        task.add_done_callback(self._ended)

    def _ended(self, task: asyncio.Task[None]) -> None:
        """Forget a task; say so if it did not end by itself or by our hand."""
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            logger.error("a task of the name server failed", exc_info=error)

    def _converse(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        """Serve a TCP connection in a task of its own."""
        self._spawn(self._serve_stream(reader, writer))

    async def _serve_stream(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        """Answer messages in order of arrival until the client hangs up."""
        client = _host_port(writer.get_extra_info("peername"))
        try:
            while True:
                length = int.from_bytes(await reader.readexactly(2), "big")
                wire = await reader.readexactly(length)
                for answer in self._responder.respond(wire, client, stream=True):
                    framed = len(answer).to_bytes(2, "big") + answer
                    self._send(partial(writer.write, framed))
                    await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()

    def answer_datagram(self, wire: bytes, address: tuple[str, int]) -> None:
        """Answer a message that came over UDP."""
        client = _host_port(address)
        for answer in self._responder.respond(wire, client, stream=False):
            assert self._udp is not None
            self._send(partial(self._udp.sendto, answer, address))

    def _send(self, write: Callable[[], object]) -> None:
        """Send an answer now, or as late as the faults say."""
        delay = self.faults.answer_delay
        if delay > 0:
            asyncio.get_running_loop().call_later(delay, write)
        else:
            write()


class _Datagrams(asyncio.DatagramProtocol):
    """Hands datagrams to the server."""

    def __init__(self, server: NameServer) -> None:
        self._server = server

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        self._server.answer_datagram(data, addr)


def _host_port(address: tuple[str, int]) -> str:
    """Return an address as ``host:port``."""
    return f"{address[0]}:{address[1]}"
