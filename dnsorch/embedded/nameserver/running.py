"""A name server in a thread of its own, for tests."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterable, Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from pathlib import Path

from dnsorch.embedded.nameserver.faults import Faults
from dnsorch.embedded.nameserver.journal import AppliedUpdate
from dnsorch.embedded.nameserver.server import NameServer
from dnsorch.embedded.nameserver.tsig import Keyring
from dnsorch.embedded.nameserver.zone import Zone

#: Seconds to wait for the server to be ready; a secondary waits for its primary.
START_TIMEOUT = 10.0


class Running:
    """A name server that runs: where it is and what it was told."""

    def __init__(self, server: NameServer, updates: list[AppliedUpdate]) -> None:
        """Take the address of a started server."""
        self._server = server
        self.host, self.port = server.address
        #: Every UPDATE applied since the start, in order; there before its answer.
        self.updates = updates

    @property
    def faults(self) -> Faults:
        """How the server misbehaves; may be replaced at any moment."""
        return self._server.faults

    @faults.setter
    def faults(self, faults: Faults) -> None:
        self._server.faults = faults


@contextmanager
def running(
    zones: Iterable[str | Zone] = ("example.test.",),
    *,
    keyring: Keyring | None = None,
    data_dir: Path | None = None,
    faults: Faults = Faults(),
    primary: tuple[str, int] | None = None,
    host: str = "127.0.0.1",
    port: int = 0,
    wait: bool = True,
) -> Iterator[Running]:
    """Run a :class:`NameServer` while the block runs.

    It has loaded all its zones when the block starts, unless ``wait`` is false.
    """
    updates: list[AppliedUpdate] = []
    ready: Future[tuple[asyncio.AbstractEventLoop, asyncio.Event]] = Future()
    server = NameServer(
        zones,
        keyring=keyring,
        data_dir=data_dir,
        faults=faults,
        primary=primary,
        on_update=updates.append,
    )

    async def serve() -> None:
        end = asyncio.Event()
        try:
            await server.start(host, port)
            try:
                if wait:
                    await asyncio.wait_for(server.loaded(), START_TIMEOUT)
                ready.set_result((asyncio.get_running_loop(), end))
                await end.wait()
            finally:
                await server.stop()
        except BaseException as error:
            if ready.done():
                raise
            ready.set_exception(error)

    thread = threading.Thread(target=lambda: asyncio.run(serve()), name="nameserver")
    thread.start()
    try:
        loop, end = ready.result()
        try:
            yield Running(server, updates)
        finally:
            loop.call_soon_threadsafe(end.set)
    finally:
        thread.join()
