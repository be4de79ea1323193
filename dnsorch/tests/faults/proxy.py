"""A TCP proxy in one link, which a test has do what networks do.

What a client sends is cut into units, messages for DNS; each unit meets the first
rule that matches it. A rule that matches nothing of a client leaves a link alone.
"""

from __future__ import annotations

import socket
import struct
import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from enum import Enum

OCTETS = 65_536
HOST = "127.0.0.1"
Split = Callable[[bytes], tuple[list[bytes], bytes]]


class Fault(Enum):
    """What becomes of a unit."""

    DELAY = "it arrives after so many seconds"
    BLACK_HOLE = "it never arrives"
    RESET = "it never arrives, and the connection is reset"
    DROP_REPLY = "it arrives, its answer does not"
    CUT_REPLY = "it arrives, the connection is reset instead of the answer"
    DUPLICATE = "it arrives again on a connection of its own, after its answer"
    HOLD = "it arrives when the test says so"
    NOTE = "none: it arrives, and its answer is noted"


@dataclass
class Rule:
    """A fault, for which units, and how often (None: until the link heals)."""

    fault: Fault
    matches: Callable[[bytes], bool] = lambda unit: True
    times: int | None = None
    seconds: float = 0.0
    met: int = 0


@dataclass(eq=False)
class _Link:
    """One client's connection and the one to the server behind it."""

    client: socket.socket
    server: socket.socket
    mute: bool = False
    cut: bool = False
    lossy: bool = False
    again: list[bytes] = field(default_factory=list)
    noted: bool = False

    def close(self, *, reset: bool = False) -> None:
        """End both connections; a thread that reads from one wakes up."""
        for each in (self.client, self.server):
            with suppress(OSError):
                if reset:
                    # Lingers for 0 seconds: what ends it is a RST.
                    linger = struct.pack("ii", 1, 0)
                    each.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
                each.shutdown(socket.SHUT_RD if reset else socket.SHUT_RDWR)
            each.close()


class Proxy:
    """Listens on a port and passes on to ``target``, as its rules allow."""

    _target: tuple[str, int]

    def __init__(
        self, target: str, *, port: int = 0, split: Split | None = None
    ) -> None:
        """Listen at once; ``split`` cuts what clients send, else as it comes."""
        self.lead(target)
        self._split = split or (lambda data: ([data], b""))
        self._lock = threading.Lock()
        self._rules: list[Rule] = []
        self._links: set[_Link] = set()
        self._healed = threading.Event()
        self.held: list[bytes] = []
        self.duplicates: list[bytes] = []
        self.answers: list[bytes] = []
        self._listener = socket.create_server((HOST, port), backlog=128)
        threading.Thread(target=self._accept, daemon=True).start()

    @property
    def address(self) -> str:
        """Where clients connect to, ``host:port``."""
        host, port = self._listener.getsockname()[:2]
        return f"{host}:{port}"

    # --- what a test says

    def add(self, rule: Rule) -> Rule:
        """Have a rule from now on; return it."""
        with self._lock:
            self._rules.append(rule)
            self._healed.clear()
        return rule

    def heal(self) -> None:
        """Forget all rules; what is delayed goes on, what is held stays held.

        Connections on which something was lost are reset, as by a server that was
        away and does not know them: TCP itself would have brought it.
        """
        with self._lock:
            self._rules.clear()
            self._healed.set()
            lossy = [link for link in self._links if link.lossy]
        for link in lossy:
            self._forget(link, reset=True)

    def cut(self) -> int:
        """Reset every connection that there is; return how many there were."""
        with self._lock:
            links = list(self._links)
        for link in links:
            self._forget(link, reset=True)
        return len(links)

    def lead(self, target: str) -> None:
        """Lead whoever connects from now on to another server."""
        host, _, number = target.rpartition(":")
        self._target = (host, int(number))

    def release(self) -> list[bytes]:
        """Deliver what is held, each on a new connection; return the answers."""
        with self._lock:
            held, self.held = self.held, []
        return [self._ask(unit) for unit in held]

    def close(self) -> None:
        """Stop listening, and end every connection."""
        self.heal()
        with suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self.cut()

    # --- what it does

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=(client,), daemon=True).start()

    def _serve(self, client: socket.socket) -> None:
        try:
            server = socket.create_connection(self._target, timeout=10)
        except OSError:
            client.close()
            return
        server.settimeout(None)
        link = _Link(client, server)
        with self._lock:
            self._links.add(link)
        threading.Thread(target=self._answers, args=(link,), daemon=True).start()
        rest = b""
        with suppress(OSError):
            for data in _stream(client):
                units, rest = self._split(rest + data)
                for unit in units:
                    self._pass(link, unit)
        self._forget(link)

    def _answers(self, link: _Link) -> None:
        with suppress(OSError):
            for data in _stream(link.server):
                if link.noted:
                    self.answers.append(data)
                if link.cut:
                    self._forget(link, reset=True)
                    return
                while link.again:
                    self.duplicates.append(self._ask(link.again.pop()))
                if not link.mute:
                    link.client.sendall(data)
        self._forget(link)

    def _pass(self, link: _Link, unit: bytes) -> None:
        rule = self._meet(unit)
        fault = rule.fault if rule else None
        if rule and fault is Fault.DELAY:
            self._healed.wait(rule.seconds)
        link.lossy = link.lossy or fault in (Fault.BLACK_HOLE, Fault.DROP_REPLY)
        if fault is Fault.BLACK_HOLE:
            return
        if fault is Fault.RESET:
            self._forget(link, reset=True)
            return
        if fault is Fault.HOLD:
            with self._lock:
                self.held.append(unit)
            return
        link.mute = link.mute or fault is Fault.DROP_REPLY
        link.cut = link.cut or fault is Fault.CUT_REPLY
        link.noted = fault is Fault.NOTE
        if fault is Fault.DUPLICATE:
            link.again.append(unit)
        link.server.sendall(unit)

    def _meet(self, unit: bytes) -> Rule | None:
        with self._lock:
            for rule in self._rules:
                open_ = rule.times is None or rule.met < rule.times
                if open_ and rule.matches(unit):
                    rule.met += 1
                    return rule
        return None

    def _ask(self, unit: bytes) -> bytes:
        with socket.create_connection(self._target, timeout=10) as server:
            server.sendall(unit)
            return server.recv(OCTETS)

    def _forget(self, link: _Link, *, reset: bool = False) -> None:
        with self._lock:
            # Whoever comes second would end in order what the first one resets.
            if link not in self._links:
                return
            self._links.discard(link)
        link.close(reset=reset)


def _stream(source: socket.socket) -> Iterator[bytes]:
    while data := source.recv(OCTETS):
        yield data


def dns_messages(data: bytes) -> tuple[list[bytes], bytes]:
    """Cut DNS over TCP into messages with their length (RFC 1035 section 4.2.2)."""
    units = []
    while len(data) >= 2:
        (length,) = struct.unpack("!H", data[:2])
        if len(data) < 2 + length:
            break
        units.append(data[: 2 + length])
        data = data[2 + length :]
    return units, data


def is_update(unit: bytes) -> bool:
    """Say whether a DNS message is an UPDATE that changes something (RFC 2136)."""
    return len(unit) >= 14 and (unit[4] >> 3) & 0xF == 5 and unit[10:12] != b"\0\0"


def is_batch(unit: bytes) -> bool:
    """Say whether a DNS message is an UPDATE that changes more than the marker.

    Opcode 5; the third count is of the update section (RFC 2136 section 2.2), in
    which the marker takes two.
    """
    return is_update(unit) and int.from_bytes(unit[10:12]) > 2


def is_commit(unit: bytes) -> bool:
    """Say whether a message of PostgreSQL's protocol is a simple COMMIT."""
    return unit[:1] == b"Q" and unit[5:11].upper() == b"COMMIT"
