"""DNS messages over TCP (RFC 1035 4.2.2, RFC 7766), with a time limit on each step.

Knows octets and addresses only; who calls decides what a failure means. That needs
to know whether anything left this host, so a send that got nothing out is an error
of its own, :class:`NothingSent`.
"""

from __future__ import annotations

import ipaddress
import re
import socket
import threading
import time
from collections.abc import Iterable
from typing import Any, NamedTuple

import dns.inet

DEFAULT_PORT = 53
# Octets that are taken from the socket at once, if so many are there.
READ_AT_ONCE = 65_536
# With the underscore that names inside a network of containers have.
_HOST = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]{0,252}")


# CLOCK_BOOTTIME is Linux's own (clock_gettime(2)).
_CLOCK = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)


def _seconds() -> float:
    return time.clock_gettime(_CLOCK)


class NothingSent(ConnectionError):
    """The connection was found broken before an octet of the message was taken."""


class Endpoint(NamedTuple):
    """A host name or IP address, and a TCP port."""

    host: str
    port: int

    @classmethod
    def parse(cls, text: str) -> Endpoint:
        """Read ``host``, ``host:port``, ``[v6]:port`` or a bare IPv6 address.

        Raises:
            ValueError: it is none of these.
        """
        host, port = text, ""
        if text.startswith("["):
            host, bracket, rest = text[1:].partition("]")
            if not bracket or (rest and not rest.startswith(":")):
                raise ValueError(f"{text!r} is not an address")
            port = rest[1:] if rest else str(DEFAULT_PORT)
        elif text.count(":") == 1:
            host, _, port = text.partition(":")
        else:
            port = str(DEFAULT_PORT)
        if not host or not port.isascii() or not port.isdigit():
            raise ValueError(f"{text!r} is not an address")
        if not 0 < int(port) < 65536:
            raise ValueError(f"{text!r}: a port is between 1 and 65535")
        if not dns.inet.is_address(host) and not _HOST.fullmatch(host):
            raise ValueError(f"{text!r} has neither an IP address nor a host name")
        return cls(host, int(port))


class Deadline:
    """A point in time after which waiting is over, on a clock that never jumps.

    It goes on while the machine is suspended, unlike ``time.monotonic``: a lease does.
    """

    def __init__(self, seconds: float) -> None:
        """Set it ``seconds`` from now."""
        self._at = _seconds() + seconds

    @property
    def is_over(self) -> bool:
        """Whether it has passed."""
        return self._at <= _seconds()

    def left(self) -> float:
        """Return the seconds that are left.

        Raises:
            TimeoutError: none are.
        """
        left = self._at - _seconds()
        if left <= 0:
            raise TimeoutError("timed out")
        return left


def _length(message: bytes) -> bytes:
    return len(message).to_bytes(2, "big")


def reason(error: Exception) -> str:
    """Return what went wrong in words: as the system says it, without its number."""
    return getattr(error, "strerror", None) or str(error)


def resolve(endpoint: Endpoint, deadline: Deadline) -> list[tuple[int, Any]]:
    """Return the (address family, socket address) pairs of an endpoint.

    Raises:
        OSError: the name does not resolve, or not in time (TimeoutError).
    """
    try:
        ipaddress.ip_address(endpoint.host)
    except ValueError:
        return _resolve_name(endpoint, deadline)
    return _addresses(endpoint, socket.AI_NUMERICHOST)


def _addresses(endpoint: Endpoint, flags: int = 0) -> list[tuple[int, Any]]:
    found = socket.getaddrinfo(*endpoint, type=socket.SOCK_STREAM, flags=flags)
    return [(family, address) for family, _, _, _, address in found]


def _resolve_name(endpoint: Endpoint, deadline: Deadline) -> list[tuple[int, Any]]:
    # The system's resolver has no time limit of its own, so it gets a thread that
    # may be left behind.
    found: list[tuple[int, Any]] = []
    failure: list[OSError] = []

    def look_up() -> None:
        try:
            found.extend(_addresses(endpoint))
        except (OSError, UnicodeError) as error:
            failure.append(OSError(f"{endpoint.host}: {error}"))

    thread = threading.Thread(target=look_up, name="resolve", daemon=True)
    thread.start()
    thread.join(deadline.left())
    if thread.is_alive():
        raise TimeoutError(f"{endpoint.host}: the name did not resolve in time")
    if failure:
        raise failure[0]
    return found


class Connection:
    """One TCP connection, over which whole DNS messages go."""

    def __init__(self, sock: socket.socket) -> None:
        """Take over a connected socket."""
        self._socket = sock
        self._unread = bytearray()
        self._used_at = time.monotonic()

    @classmethod
    def open(
        cls, endpoint: Endpoint, deadline: Deadline, *, source: str = ""
    ) -> Connection:
        """Connect, from the address ``source`` if given; try each address in turn.

        Raises:
            OSError: no address took the connection; TimeoutError, not in time.
        """
        failure: OSError | None = None
        for family, address in resolve(endpoint, deadline):
            sock = socket.socket(family, socket.SOCK_STREAM)
            try:
                if source:
                    sock.bind((source, 0))
                sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                sock.settimeout(deadline.left())
                sock.connect(address)
            except OSError as error:
                sock.close()
                failure = error
            else:
                return cls(sock)
        raise failure or OSError(f"{endpoint.host} has no address")

    def send(self, message: bytes, deadline: Deadline) -> None:
        """Send one message, its length before it.

        Raises:
            NothingSent: the connection was broken already.
            OSError: it broke, or time ran out (TimeoutError), in the middle.
        """
        self.send_all([message], deadline)

    def send_all(self, messages: Iterable[bytes], deadline: Deadline) -> None:
        """Send messages one after the other, in as few packets as they need.

        Raises:
            NothingSent, OSError: as :meth:`send`.
        """
        parts = (part for each in messages for part in (_length(each), each))
        octets = memoryview(b"".join(parts))
        sent = 0
        while sent < len(octets):
            self._socket.settimeout(deadline.left())
            try:
                sent += self._socket.send(octets[sent:])
            except OSError as error:
                if sent == 0:
                    raise NothingSent(str(error)) from error
                raise
        self._used_at = time.monotonic()

    def receive(self, deadline: Deadline) -> bytes:
        """Receive one message.

        Raises:
            OSError: the connection broke or was closed, or time ran out
                (TimeoutError).
        """
        length = int.from_bytes(self._read(2, deadline), "big")
        message = self._read(length, deadline)
        self._used_at = time.monotonic()
        return message

    def _read(self, count: int, deadline: Deadline) -> bytes:
        while len(self._unread) < count:
            self._socket.settimeout(deadline.left())
            part = self._socket.recv(max(count - len(self._unread), READ_AT_ONCE))
            if not part:
                raise ConnectionResetError("the connection was closed")
            self._unread += part
        octets = bytes(self._unread[:count])
        del self._unread[:count]
        return octets

    def is_usable(self, idle_limit: float) -> bool:
        """Return whether it was used lately and nothing, not even its end, came since.

        Octets that nobody asked for would be read as the next answer.
        """
        if self._unread or time.monotonic() - self._used_at > idle_limit:
            return False
        self._socket.settimeout(0)
        try:
            self._socket.recv(1, socket.MSG_PEEK)
        except BlockingIOError:
            return True
        except OSError:
            return False
        return False

    def close(self) -> None:
        """Close it; closing twice is fine."""
        self._socket.close()

    def __del__(self) -> None:
        """Close what a finished thread left behind."""
        self._socket.close()
