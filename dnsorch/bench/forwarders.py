"""Name servers as slow as one likes: ports before a real one, each with a delay."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from typing import Any, Self

HOST = "127.0.0.1"
#: The delay of a server that never answers.
SILENT = float("inf")
MOST_OCTETS = 65_535


class Forwarders:
    """``count`` ports, by UDP and TCP, that all lead to the port of one name server.

    ``delays`` says for each port how many seconds an answer takes longer; it may be
    changed at any time.
    """

    def __init__(self, count: int, target: int) -> None:
        """``target`` is the port of the name server."""
        self.target = target
        self.delays = [0.0] * count
        self.ports: list[int] = []
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)

    def __enter__(self) -> Self:
        """Open the ports; a thread serves them."""
        self._thread.start()
        asyncio.run_coroutine_threadsafe(self._open(), self._loop).result(30)
        return self

    def __exit__(self, *error: object) -> None:
        """Close them."""
        asyncio.run_coroutine_threadsafe(self._end(), self._loop).result(30)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    async def _end(self) -> None:
        """End what is under way."""
        others = asyncio.all_tasks() - {asyncio.current_task()}
        for task in others:
            task.cancel()
        await asyncio.gather(*others, return_exceptions=True)

    async def _open(self) -> None:
        for index in range(len(self.delays)):
            server = await asyncio.start_server(self._tcp(index), HOST, 0)
            port: int = server.sockets[0].getsockname()[1]
            await self._loop.create_datagram_endpoint(
                lambda index=index: _Datagrams(self, index),  # type: ignore[misc]
                local_addr=(HOST, port),
            )
            self.ports.append(port)

    def _tcp(self, index: int) -> Any:
        async def serve(
            reader: asyncio.StreamReader, writer: asyncio.StreamWriter
        ) -> None:
            if self.delays[index] == SILENT:
                # The connection stands, and nothing comes.
                await reader.read(-1)
                writer.close()
                return
            back, forth = await asyncio.open_connection(HOST, self.target)
            answers = asyncio.ensure_future(self._answer(index, back, writer))
            await _pump(reader, forth)
            await answers

        return serve

    async def _answer(
        self, index: int, back: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        with contextlib.suppress(ConnectionError):
            while octets := await back.read(MOST_OCTETS):
                await self.delayed(index)
                writer.write(octets)
        writer.close()

    async def delayed(self, index: int) -> None:
        """Wait as long as an answer of this port takes longer."""
        while (delay := self.delays[index]) == SILENT:
            await asyncio.sleep(0.5)
        if delay:
            await asyncio.sleep(delay)


async def _pump(reader: asyncio.StreamReader, forth: asyncio.StreamWriter) -> None:
    with contextlib.suppress(ConnectionError):
        while octets := await reader.read(MOST_OCTETS):
            forth.write(octets)
    forth.close()


class _Datagrams(asyncio.DatagramProtocol):
    """Questions by UDP: each has a socket of its own towards the name server."""

    def __init__(self, forwarders: Forwarders, index: int) -> None:
        self.forwarders, self.index = forwarders, index
        self.tasks: set[asyncio.Task[None]] = set()

    def connection_made(self, transport: Any) -> None:
        self.transport = transport

    def datagram_received(self, data: bytes, addr: Any) -> None:
        task = asyncio.ensure_future(self._ask(data, addr))
        self.tasks.add(task)
        task.add_done_callback(self.tasks.discard)

    async def _ask(self, data: bytes, addr: Any) -> None:
        if self.forwarders.delays[self.index] == SILENT:
            return
        loop = asyncio.get_running_loop()
        answer: asyncio.Future[bytes] = loop.create_future()
        transport, _ = await loop.create_datagram_endpoint(
            lambda: _Once(answer), remote_addr=(HOST, self.forwarders.target)
        )
        try:
            transport.sendto(data)
            octets = await asyncio.wait_for(answer, 5)
            await self.forwarders.delayed(self.index)
            self.transport.sendto(octets, addr)
        finally:
            transport.close()


class _Once(asyncio.DatagramProtocol):
    """Keeps the first answer."""

    def __init__(self, answer: asyncio.Future[bytes]) -> None:
        self.answer = answer

    def datagram_received(self, data: bytes, addr: Any) -> None:
        if not self.answer.done():
            self.answer.set_result(data)
