"""A TCP server that answers DNS messages by a script, for exact-message tests."""

from __future__ import annotations

import socket
import socketserver
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Final

import dns.message
import dns.name
import dns.rcode
import dns.tsig

CLOSE: Final = b"close the connection instead of answering"

Script = Callable[[bytes], "bytes | list[bytes] | None"]


class Scripted(socketserver.ThreadingTCPServer):
    """Gives each message to ``script``.

    The script returns the answer, several, None for silence, or :data:`CLOSE`.
    ``messages`` are those received, ``connections`` how many were opened.
    """

    daemon_threads = True

    def __init__(self, script: Script) -> None:
        """Listen on a free port of the loopback."""
        super().__init__(("127.0.0.1", 0), _Handler)
        self.script = script
        self.messages: list[bytes] = []
        self.connections = 0
        self.sockets: list[socket.socket] = []

    @property
    def port(self) -> int:
        """The port that it listens on."""
        return int(self.socket.getsockname()[1])

    def hang_up(self) -> None:
        """Close every connection."""
        for sock in self.sockets:
            try:
                sock.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass


class _Handler(socketserver.StreamRequestHandler):
    server: Scripted

    def handle(self) -> None:
        self.server.connections += 1
        self.server.sockets.append(self.connection)
        while length := self.rfile.read(2):
            message = self.rfile.read(int.from_bytes(length, "big"))
            self.server.messages.append(message)
            answers = self.server.script(message)
            if answers == CLOSE:
                return
            if not isinstance(answers, list):
                answers = [answers] if answers else []
            # In one piece, so that whoever reads the first finds the others there.
            self.wfile.write(b"".join(len(a).to_bytes(2, "big") + a for a in answers))


@contextmanager
def scripted(script: Script) -> Iterator[Scripted]:
    """Run a scripted server while the block runs."""
    with Scripted(script) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        try:
            yield server
        finally:
            server.shutdown()
            server.hang_up()
            thread.join()


def answer_to(
    wire: bytes,
    rcode: dns.rcode.Rcode = dns.rcode.NOERROR,
    *,
    key: dns.tsig.Key | None = None,
    tsig_error: int = 0,
) -> bytes:
    """Return an answer with that rcode, signed with ``key`` if there is one."""
    request = dns.message.from_wire(wire, keyring=key or False)
    answer = dns.message.make_response(request, tsig_error=tsig_error)
    answer.set_rcode(rcode)
    if key is None:
        answer.tsig = None
        answer.want_tsig_sign = False
    return answer.to_wire()
