"""A Kafka broker without Java: librdkafka's mock cluster, for development and tests.

The wheel of confluent-kafka carries librdkafka, and librdkafka carries a mock
cluster that real clients talk to over TCP: producers (idempotent too), consumer
groups, committed offsets, rebalances. Python reaches it through ctypes. It keeps
everything in memory (at most 5 MiB per partition) and speaks neither TLS nor SASL.

The interface (``rdkafka_mock.h``) is marked experimental and stands outside
librdkafka's ABI guarantees; ``dnsorch/embedded/tests/test_kafka.py`` is the smoke
test that guards an upgrade of confluent-kafka.

The mock cluster chooses its own port. Where a fixed one is wanted, a :class:`Relay`
listens there and the cluster advertises the relay's address.
"""

from __future__ import annotations

import asyncio
import ctypes
from collections.abc import Mapping, Sequence
from types import TracebackType
from typing import Final, Self

from confluent_kafka import cimpl

from dnsorch.exceptions import DnsorchError

BROKER_ID: Final = 1
# Kafka protocol guide, "API keys".
PRODUCE: Final = 0
FETCH: Final = 1
OFFSET_COMMIT: Final = 8

_PRODUCER_TYPE: Final = 0  # enum rd_kafka_type_t
_CHUNK_OCTETS: Final = 65_536


class MockClusterFailed(DnsorchError):
    """The mock Kafka cluster refused an operation."""

    code = "mock_kafka_failed"


def _library() -> ctypes.CDLL:
    """Return librdkafka with the prototypes of what is called here."""
    # The extension module links the library that the wheel brings along, so its
    # handle resolves librdkafka's symbols whatever the file is called.
    library = ctypes.CDLL(cimpl.__file__)
    pointer, text, number = ctypes.c_void_p, ctypes.c_char_p, ctypes.c_int
    prototypes: dict[str, tuple[object, list[object]]] = {
        "rd_kafka_conf_new": (pointer, []),
        "rd_kafka_conf_set": (number, [pointer, text, text, text, ctypes.c_size_t]),
        "rd_kafka_new": (pointer, [number, pointer, text, ctypes.c_size_t]),
        "rd_kafka_destroy": (None, [pointer]),
        "rd_kafka_mock_cluster_new": (pointer, [pointer, number]),
        "rd_kafka_mock_cluster_destroy": (None, [pointer]),
        "rd_kafka_mock_cluster_bootstraps": (text, [pointer]),
        "rd_kafka_mock_topic_create": (number, [pointer, text, number, number]),
        "rd_kafka_mock_broker_set_host_port": (
            None,
            [pointer, ctypes.c_int32, text, number],
        ),
        "rd_kafka_mock_broker_set_down": (number, [pointer, ctypes.c_int32]),
        "rd_kafka_mock_broker_set_up": (number, [pointer, ctypes.c_int32]),
        "rd_kafka_mock_broker_set_rtt": (number, [pointer, ctypes.c_int32, number]),
        "rd_kafka_mock_group_initial_rebalance_delay_ms": (
            None,
            [pointer, ctypes.c_int32],
        ),
        "rd_kafka_mock_push_request_errors_array": (
            None,
            [pointer, ctypes.c_int16, ctypes.c_size_t, ctypes.POINTER(number)],
        ),
        "rd_kafka_mock_clear_request_errors": (None, [pointer, ctypes.c_int16]),
    }
    for name, (result, arguments) in prototypes.items():
        function = getattr(library, name)
        function.restype, function.argtypes = result, arguments
    return library


class MockKafka:
    """A one-broker cluster that lives until :meth:`close`, in this process.

    Its threads are librdkafka's own: it answers while Python is busy.
    """

    def __init__(
        self,
        topics: Mapping[str, int] | None = None,
        *,
        rebalance_delay_ms: int = 0,
    ) -> None:
        """Start it with ``topics`` (name to partition count).

        ``rebalance_delay_ms`` is how long a new group waits for further members.
        """
        self._library = _library()
        reason = ctypes.create_string_buffer(512)
        configuration = self._library.rd_kafka_conf_new()
        # Errors only: this client has nobody to connect to, and would say so.
        self._library.rd_kafka_conf_set(
            configuration, b"log_level", b"3", reason, len(reason)
        )
        self._client = self._library.rd_kafka_new(
            _PRODUCER_TYPE, configuration, reason, len(reason)
        )
        if not self._client:
            raise MockClusterFailed(reason.value.decode(errors="replace"))
        self._cluster = self._library.rd_kafka_mock_cluster_new(self._client, BROKER_ID)
        if not self._cluster:
            raise MockClusterFailed("the mock cluster did not start")
        #: ``host:port`` on which the broker itself listens.
        self.address: str = self._library.rd_kafka_mock_cluster_bootstraps(
            self._cluster
        ).decode()
        self._library.rd_kafka_mock_group_initial_rebalance_delay_ms(
            self._cluster, rebalance_delay_ms
        )
        for name, partitions in (topics or {}).items():
            self.create_topic(name, partitions)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Stop it; all messages and offsets are gone. Closing twice is harmless."""
        if self._cluster:
            self._library.rd_kafka_mock_cluster_destroy(self._cluster)
            self._library.rd_kafka_destroy(self._client)
            self._cluster = self._client = None

    def create_topic(self, name: str, partitions: int) -> None:
        """Create a topic; the mock cluster has no CreateTopics for admin clients.

        Raises:
            MockClusterFailed: the topic exists, or the count is not positive.
        """
        if partitions < 1:
            raise MockClusterFailed(f"{name}: {partitions} is not a partition count")
        self._check(
            self._library.rd_kafka_mock_topic_create(
                self._cluster, name.encode(), partitions, 1
            ),
            f"could not create the topic {name}",
        )

    def advertise(self, host: str, port: int) -> None:
        """Tell clients in metadata to connect to ``host:port`` from now on."""
        self._library.rd_kafka_mock_broker_set_host_port(
            self._cluster, BROKER_ID, host.encode(), port
        )

    def go_down(self) -> None:
        """Close every connection and refuse new ones; what is stored stays."""
        self._check(
            self._library.rd_kafka_mock_broker_set_down(self._cluster, BROKER_ID),
            "could not take the broker down",
        )

    def come_up(self) -> None:
        """Accept connections again."""
        self._check(
            self._library.rd_kafka_mock_broker_set_up(self._cluster, BROKER_ID),
            "could not bring the broker up",
        )

    def set_delay(self, milliseconds: int) -> None:
        """Answer every request ``milliseconds`` late; 0 ends it."""
        self._check(
            self._library.rd_kafka_mock_broker_set_rtt(
                self._cluster, BROKER_ID, milliseconds
            ),
            "could not set the delay",
        )

    def fail_next(self, api_key: int, errors: Sequence[int]) -> None:
        """Answer the next requests of ``api_key`` with ``errors``, one each.

        The errors are ``KafkaError`` codes; ``KafkaError._TRANSPORT`` disconnects.
        """
        codes = (ctypes.c_int * len(errors))(*errors)
        self._library.rd_kafka_mock_push_request_errors_array(
            self._cluster, api_key, len(errors), codes
        )

    def stop_failing(self, api_key: int) -> None:
        """Forget the errors that :meth:`fail_next` has left for ``api_key``."""
        self._library.rd_kafka_mock_clear_request_errors(self._cluster, api_key)

    def _check(self, code: int, what: str) -> None:
        if code:
            raise MockClusterFailed(f"{what}: {cimpl.KafkaError(code).str()}")


class Relay:
    """A TCP relay: it listens on a chosen port and forwards to ``target``."""

    def __init__(self, target: str) -> None:
        """``target`` is the ``host:port`` to forward to."""
        host, _, port = target.rpartition(":")
        self._target = host, int(port)
        self._server: asyncio.Server | None = None
        self._connections: set[asyncio.Task[None]] = set()

    async def start(self, host: str, port: int) -> int:
        """Listen; return the port, which differs from ``port`` only if that is 0.

        Raises:
            OSError: the address is taken or not ours.
        """
        self._server = await asyncio.start_server(self._accept, host, port)
        bound: int = self._server.sockets[0].getsockname()[1]
        return bound

    async def stop(self) -> None:
        """Stop listening and cut every connection."""
        if self._server is not None:
            self._server.close()
        for task in list(self._connections):
            task.cancel()
        await asyncio.gather(*self._connections, return_exceptions=True)

    async def _accept(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._connections.add(task)
        try:
            await self._forward(reader, writer)
        except (OSError, asyncio.CancelledError):
            # Either end went away, or stop() cut the connection: clients reconnect.
            pass
        finally:
            self._connections.discard(task)
            writer.close()

    async def _forward(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        target_reader, target_writer = await asyncio.open_connection(*self._target)
        try:
            pumps = [
                asyncio.create_task(_pump(reader, target_writer)),
                asyncio.create_task(_pump(target_reader, writer)),
            ]
            try:
                await asyncio.wait(pumps, return_when=asyncio.FIRST_COMPLETED)
            finally:
                for pump in pumps:
                    pump.cancel()
                await asyncio.gather(*pumps, return_exceptions=True)
        finally:
            target_writer.close()


async def _pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Copy until the reader's end closes."""
    while chunk := await reader.read(_CHUNK_OCTETS):
        writer.write(chunk)
        await writer.drain()
