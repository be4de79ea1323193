"""A producer whose every message is confirmed, or known not to be."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import structlog
from confluent_kafka import KafkaError, KafkaException
from confluent_kafka import Message as KafkaMessage
from confluent_kafka import Producer

from kafka_bridge.message import Headers

_UNREPORTED: Final = "no delivery report in time"
_HELD_BACK: Final = "not sent: an earlier message of its key failed"
_POLL_S: Final = 0.1
_PURGE_S: Final = 1.0

log = structlog.get_logger(__name__)


@dataclass(frozen=True)
class Outgoing:
    """A message to produce; its key decides the partition."""

    topic: str
    key: bytes | None
    value: bytes | None
    headers: Headers


@dataclass
class Delivery:
    """What became of an :class:`Outgoing`.

    ``error`` is None once delivered. Otherwise the message may or may not be in the
    topic (a broker can store it and fail to say so): it is to be sent again.
    """

    error: str | None = _UNREPORTED

    @property
    def delivered(self) -> bool:
        """Whether all replicas in sync have it."""
        return self.error is None


class ConfirmedProducer:
    """Sends messages and waits for their delivery reports.

    One key keeps its order: what follows a failed message of its key is not
    delivered. After any failure the client is thrown away with all it holds and the
    next call makes a new one, so a fatal error needs no restart, and nothing is sent
    behind the caller's back later.
    """

    def __init__(self, options: Callable[[], Mapping[str, Any]]) -> None:
        """``options`` returns librdkafka's options; called for each new client."""
        self._options = options
        self._producer: Producer | None = None

    def send(self, messages: Sequence[Outgoing], *, timeout_s: float) -> list[Delivery]:
        """Send ``messages`` in order; return one delivery for each.

        Never raises for trouble with Kafka, and returns after ``timeout_s`` seconds
        and a little.
        """
        deadline = time.monotonic() + timeout_s
        deliveries = [Delivery() for _ in messages]
        try:
            producer = self._client()
            self._enqueue(producer, messages, deliveries, deadline)
            self._wait(producer, deadline)
        except KafkaException as error:
            # Bad options, or the client's fatal error: what has no report failed.
            for delivery in deliveries:
                if delivery.error == _UNREPORTED:
                    delivery.error = str(error.args[0])
        if not all(delivery.delivered for delivery in deliveries):
            self.close()
        return deliveries

    def close(self) -> None:
        """Throw the client away, with what it has not delivered."""
        producer, self._producer = self._producer, None
        if producer is None:
            return
        try:
            producer.purge()
            self._wait(producer, time.monotonic() + _PURGE_S)
        except KafkaException as error:
            log.info("kafka_producer_closed", reason=str(error.args[0]))
        producer.close()

    def _client(self) -> Producer:
        if self._producer is None:
            self._producer = Producer(dict(self._options()) | {"error_cb": _log_error})
        return self._producer

    def _enqueue(
        self,
        producer: Producer,
        messages: Sequence[Outgoing],
        deliveries: Sequence[Delivery],
        deadline: float,
    ) -> None:
        failed: set[bytes | None] = set()
        for message, delivery in zip(messages, deliveries, strict=True):
            if message.key in failed:
                delivery.error = _HELD_BACK
                continue
            try:
                self._produce(producer, message, delivery, deadline)
            except KafkaException as error:
                # Refused by the client itself: too large, say.
                delivery.error = str(error.args[0])
            except BufferError:
                delivery.error = "the producer's queue is full"
            if delivery.error not in (None, _UNREPORTED) and message.key is not None:
                failed.add(message.key)

    def _produce(
        self,
        producer: Producer,
        message: Outgoing,
        delivery: Delivery,
        deadline: float,
    ) -> None:
        while True:
            try:
                producer.produce(
                    message.topic,
                    value=message.value,
                    key=message.key,
                    headers=list(message.headers),
                    on_delivery=_report_to(delivery),
                )
                return
            except BufferError:
                if time.monotonic() >= deadline:
                    raise
                producer.poll(_POLL_S)

    @staticmethod
    def _wait(producer: Producer, deadline: float) -> None:
        # Not flush(): a fatal error raised inside it meets the callbacks half-way.
        while len(producer) and time.monotonic() < deadline:
            producer.poll(_POLL_S)


def _report_to(
    delivery: Delivery,
) -> Callable[[KafkaError | None, KafkaMessage], None]:
    def report(error: KafkaError | None, message: KafkaMessage) -> None:
        delivery.error = None if error is None else str(error)

    return report


def _log_error(error: KafkaError) -> None:
    log.warning("kafka_error", error=str(error), fatal=error.fatal())
