"""The proxy does to a link what its rules say, and nothing without one."""

from __future__ import annotations

import socket
import socketserver
import struct
import threading
from collections.abc import Iterator
from contextlib import suppress

import dns.message
import dns.update
import pytest

from dnsorch.tests.e2e.harness import until
from dnsorch.tests.faults.proxy import (
    Fault,
    Proxy,
    Rule,
    dns_messages,
    is_batch,
    is_commit,
)


class Server(socketserver.ThreadingTCPServer):
    """Answers what it gets in capital letters, and remembers it."""

    daemon_threads = True

    def __init__(self) -> None:
        """Listen on a free port."""
        self.got: list[bytes] = []
        super().__init__(("127.0.0.1", 0), Handler)


class Handler(socketserver.BaseRequestHandler):
    """One connection."""

    def handle(self) -> None:
        """Answer until the client goes away, or is torn away."""
        assert isinstance(self.server, Server)
        with suppress(ConnectionError):
            while data := self.request.recv(1024):
                self.server.got.append(data)
                self.request.sendall(data.upper())


@pytest.fixture
def server() -> Iterator[Server]:
    """Run the server."""
    with Server() as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        yield server
        server.shutdown()
        thread.join()


@pytest.fixture
def proxy(server: Server) -> Iterator[Proxy]:
    """Put a proxy before it."""
    proxy = Proxy("127.0.0.1:%d" % server.server_address[1])
    yield proxy
    proxy.close()


@pytest.fixture
def client(proxy: Proxy) -> Iterator[socket.socket]:
    """Connect to the proxy."""
    host, _, port = proxy.address.rpartition(":")
    with socket.create_connection((host, int(port)), timeout=5) as client:
        yield client


def ask(client: socket.socket, data: bytes = b"ping") -> bytes:
    """Send something; return the answer."""
    client.sendall(data)
    return client.recv(1024)


def test_a_link_without_a_rule_is_left_alone(
    proxy: Proxy, client: socket.socket, server: Server
) -> None:
    proxy.add(Rule(Fault.RESET, lambda unit: unit == b"other"))
    assert ask(client) == b"PING"
    assert ask(client, b"pong") == b"PONG"
    assert server.got == [b"ping", b"pong"]


def test_what_is_swallowed_never_arrives(
    proxy: Proxy, client: socket.socket, server: Server
) -> None:
    rule = proxy.add(Rule(Fault.BLACK_HOLE))
    client.sendall(b"lost")
    until(lambda: rule.met or None, "it is swallowed")
    assert server.got == []
    proxy.heal()
    with pytest.raises(ConnectionResetError):
        client.recv(1024)


def test_a_connection_is_reset(
    proxy: Proxy, client: socket.socket, server: Server
) -> None:
    proxy.add(Rule(Fault.RESET))
    with pytest.raises(ConnectionResetError):
        ask(client)
    assert server.got == []


def test_an_answer_is_dropped(
    proxy: Proxy, client: socket.socket, server: Server
) -> None:
    proxy.add(Rule(Fault.DROP_REPLY, times=1))
    client.settimeout(0.2)
    with pytest.raises(TimeoutError):
        ask(client)
    assert server.got == [b"ping"]


def test_a_reset_comes_instead_of_the_answer(
    proxy: Proxy, client: socket.socket, server: Server
) -> None:
    proxy.add(Rule(Fault.CUT_REPLY, times=1))
    with pytest.raises(ConnectionResetError):
        ask(client)
    assert server.got == [b"ping"]


def test_a_message_is_delivered_twice(
    proxy: Proxy, client: socket.socket, server: Server
) -> None:
    proxy.add(Rule(Fault.DUPLICATE, times=1))
    assert ask(client) == b"PING"
    assert server.got == [b"ping"] * 2
    assert proxy.duplicates == [b"PING"]


def test_what_is_held_is_delivered_later(
    proxy: Proxy, client: socket.socket, server: Server
) -> None:
    rule = proxy.add(Rule(Fault.HOLD, times=1))
    client.sendall(b"later")
    until(lambda: rule.met or None, "it is held")
    assert ask(client, b"now") == b"NOW"
    assert proxy.release() == [b"LATER"]
    assert server.got == [b"now", b"later"]
    assert proxy.release() == []


def test_healing_ends_a_delay(proxy: Proxy, client: socket.socket) -> None:
    rule = proxy.add(Rule(Fault.DELAY, seconds=60))
    client.sendall(b"slow")
    until(lambda: rule.met or None, "it is delayed")
    proxy.heal()
    assert client.recv(1024) == b"SLOW"


def test_every_connection_is_cut(proxy: Proxy, client: socket.socket) -> None:
    assert ask(client) == b"PING"
    assert proxy.cut() == 1
    with pytest.raises(ConnectionResetError):
        client.recv(1024)


def test_dns_is_cut_into_messages() -> None:
    first, second = b"\x00\x02ab", b"\x00\x03cde"
    assert dns_messages(first + second) == ([first, second], b"")
    assert dns_messages(first + second[:3]) == ([first], second[:3])
    assert dns_messages(b"\x00") == ([], b"\x00")


def test_which_messages_are_batches() -> None:
    def framed(message: dns.message.Message) -> bytes:
        wire = message.to_wire()
        return struct.pack("!H", len(wire)) + wire

    update = dns.update.UpdateMessage("example.test.")
    assert not is_batch(framed(update))
    update.replace("_dnsorch", 0, "TXT", "v1")
    assert not is_batch(framed(update))
    update.replace("www", 60, "TXT", "1")
    assert is_batch(framed(update))
    assert not is_batch(framed(dns.message.make_query("example.test.", "SOA")))


def test_which_messages_are_commits() -> None:
    assert is_commit(b"Q\x00\x00\x00\x0bCOMMIT\x00")
    assert not is_commit(b"Q\x00\x00\x00\x0aBEGIN\x00")
    assert not is_commit(b"P\x00\x00\x00\x0bCOMMIT\x00")
