"""A port of the loopback for each purpose, the same one as long as it is free."""

from __future__ import annotations

import json
import random
import socket
from contextlib import suppress
from pathlib import Path

HOST = "127.0.0.1"
# Below those that systems give to clients (32768 and up on Linux, 49152 elsewhere): a
# port that nobody listens on for a while, as that of a killed service, stays free.
LOWEST, HIGHEST = 20_000, 32_767
# The system's, since Hypothesis seeds Python's own alike in every process.
_RANDOM = random.SystemRandom()


class Ports:
    """The ports that were given out, kept in a file."""

    def __init__(self, file: Path) -> None:
        """Read the file, if there is one."""
        self._file = file
        self._given: dict[str, int] = {}
        with suppress(FileNotFoundError):
            self._given = json.loads(file.read_text())

    def __getitem__(self, purpose: str) -> int:
        """Return the port for a purpose; choose one if there is none yet."""
        if purpose not in self._given:
            self._choose(purpose)
        return self._given[purpose]

    def renew_if_taken(self, purpose: str) -> None:
        """Choose another port for a service that is not running, if it has to be."""
        if not _free(self[purpose]):
            self._choose(purpose)

    def _choose(self, purpose: str) -> None:
        while True:
            port = _RANDOM.randint(LOWEST, HIGHEST)
            if port not in self._given.values() and _free(port):
                break
        self._given[purpose] = port
        self._file.write_text(json.dumps(self._given, indent=1) + "\n")


def _free(port: int) -> bool:
    """Say whether nobody has the port, over TCP or UDP: name servers take both."""
    for kind in (socket.SOCK_STREAM, socket.SOCK_DGRAM):
        with socket.socket(socket.AF_INET, kind) as probe:
            if kind == socket.SOCK_STREAM:
                # What a stopped server left in TIME_WAIT is no obstacle.
                probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind((HOST, port))
            except OSError:
                return False
    return True
