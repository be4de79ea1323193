"""One message and its answer over a TCP connection that is kept for the next one.

Connections are kept per thread and server, so nothing is shared and nothing is
locked. A connection carries one message at a time; whatever goes wrong on it closes
it, since a late answer would be read as the next one's.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from typing import NamedTuple

from dns_records.providers.errors import OutcomeUnknown, Unreachable
from dns_records.tcp import Connection, Deadline, Endpoint, NothingSent, reason

# Seconds. Less than the idle limits of servers (PowerDNS 5, BIND 30), so that it is
# we who close.
IDLE_LIMIT_S = 4.0


class Route(NamedTuple):
    """Where a server is, from which address to speak to it ("": any), time limits.

    ``connect_timeout`` covers finding the address too; ``timeout`` covers sending
    and the answer. Both in seconds.
    """

    endpoint: Endpoint
    source: str
    connect_timeout: float
    timeout: float


class _Kept(threading.local):
    def __init__(self) -> None:
        self.connections: dict[tuple[int, Route], Connection] = {}


_kept = _Kept()


def exchange(route: Route, render: Callable[[], bytes]) -> bytes:
    """Send the message that ``render`` gives, and return its answer.

    ``render`` is called once, when there is a connection: what it signs goes out at
    once. A kept connection that turns out dead before it took an octet is replaced.

    Raises:
        Unreachable: nothing was sent.
        OutcomeUnknown: it was, and no answer came, or one to another message.
    """
    # A child process must not write into its parent's connections.
    slot = (os.getpid(), route)
    kept = _kept.connections.pop(slot, None)
    if kept and not kept.is_usable(IDLE_LIMIT_S):
        kept.close()
        kept = None
    connection = kept or _connect(route)
    try:
        message = render()
    except BaseException:
        connection.close()
        raise
    try:
        answer = _talk(connection, message, route)
    except Unreachable:
        if kept is None:
            raise
        connection = _connect(route)
        answer = _talk(connection, message, route)
    _kept.connections[slot] = connection
    return answer


def close_kept() -> None:
    """Close the connections that this thread keeps."""
    while _kept.connections:
        _kept.connections.popitem()[1].close()


def _connect(route: Route) -> Connection:
    try:
        return Connection.open(
            route.endpoint, Deadline(route.connect_timeout), source=route.source
        )
    except OSError as error:
        raise Unreachable(f"{_name(route)}: {reason(error)}") from error


def _talk(connection: Connection, message: bytes, route: Route) -> bytes:
    """Send and receive; the connection is closed unless all went well."""
    deadline = Deadline(route.timeout)
    well = False
    try:
        connection.send(message, deadline)
        answer = connection.receive(deadline)
        well = answer[:2] == message[:2]
    except NothingSent as error:
        raise Unreachable(f"{_name(route)}: {reason(error)}") from error
    except TimeoutError as error:
        detail = f"{_name(route)} did not answer within {route.timeout:g} s"
        raise OutcomeUnknown(detail) from error
    except OSError as error:
        raise OutcomeUnknown(f"{_name(route)}: {reason(error)}") from error
    finally:
        if not well:
            connection.close()
    if not well:
        detail = f"{_name(route)} answered another message"
        raise OutcomeUnknown(detail, answered=True)
    return answer


def _name(route: Route) -> str:
    return "%s port %d" % route.endpoint
