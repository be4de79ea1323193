"""librdkafka's options: ours, the operator's, and those that a guarantee rests on.

``KAFKA_CLIENT_OPTIONS`` is for security and tuning. It wins over defaults and loses
against what at-least-once delivery and order need. A value ``{"secret": REFERENCE}``
is read through :mod:`dnsorch.secrets`, so that no password stands in a variable:
``{"sasl.password": {"secret": "file:/run/secrets/kafka"}}``.
"""

from __future__ import annotations

import logging
from typing import Any

from confluent_kafka import KafkaError, KafkaException, Producer
from django.conf import settings
from django.core.exceptions import ImproperlyConfigured

from dnsorch import secrets

_LOGGER = logging.getLogger("kafka_bridge.librdkafka")


def _is_news(record: logging.LogRecord) -> bool:
    # librdkafka warns at each start that gap-less production is experimental, and
    # that a producer got a consumer's option (KAFKA_CLIENT_OPTIONS is for both).
    return not record.getMessage().startswith("CONFWARN")


_LOGGER.addFilter(_is_news)


def require() -> None:
    """Refuse options that librdkafka refuses, before anything depends on them.

    A producer would take them for trouble with Kafka, and keep trying.

    Raises:
        ImproperlyConfigured: an option is unknown, or its value impossible.
        SecretUnavailable: one of them is a secret that cannot be read.
    """
    try:
        Producer(producer()).close()
    except (KafkaException, TypeError, ValueError) as error:
        reason = error.args[0]
        detail = reason.str() if isinstance(reason, KafkaError) else reason
        raise ImproperlyConfigured(f"KAFKA_CLIENT_OPTIONS: {detail}") from None


def consumer(group: str) -> dict[str, Any]:
    """Return the options of the consumer that takes requests."""
    # Between two polls lies at most one POST and one flush to the dead-letter
    # topic; a group that gives up sooner would rebalance while we work.
    longest_step_ms = int(settings.KAFKA_API_TIMEOUT_S * 4_000)
    return {
        "max.poll.interval.ms": max(300_000, longest_step_ms),
        # A dead member's partitions move after this; so long does leaving the group
        # take when Kafka is away, which has to fit into a pod's grace period.
        "session.timeout.ms": 10_000,
        "queued.max.messages.kbytes": 16_384,
        **_common(),
        "group.id": group,
        "auto.offset.reset": "earliest",
        "partition.assignment.strategy": "cooperative-sticky",
        # Offsets are stored by hand, after the answer; only then committed.
        "enable.auto.offset.store": False,
        "enable.auto.commit": True,
        "auto.commit.interval.ms": 1_000,
        "allow.auto.create.topics": False,
        "enable.partition.eof": True,
    }


def reader() -> dict[str, Any]:
    """Return the options of a consumer that reads a topic without a group's offsets."""
    return {
        **_common(),
        "group.id": "dnsorch-replay-dlq",
        "auto.offset.reset": "earliest",
        "enable.auto.offset.store": False,
        "enable.auto.commit": False,
        "allow.auto.create.topics": False,
        "enable.partition.eof": True,
    }


def producer() -> dict[str, Any]:
    """Return the options of a producer that loses and reorders nothing."""
    return {
        "linger.ms": 2,
        "compression.type": "lz4",
        # Checked before compression; the topic's limit holds after it.
        "message.max.bytes": 8 * 1024 * 1024,
        **_common(),
        "acks": "all",
        "enable.idempotence": True,
        # librdkafka's own default partitions a key otherwise than Java clients do.
        "partitioner": "murmur2_random",
        # Together: a message that fails is followed by none of its partition. The
        # broker refuses the gap in the sequence numbers, and the client stops
        # instead of closing it. Timeouts of librdkafka would not be covered, so the
        # deadline is ours.
        "enable.gapless.guarantee": True,
        "message.timeout.ms": 0,
    }


def _common() -> dict[str, Any]:
    return {
        "client.id": "dnsorch",
        # Each attempt is a line in the log.
        "reconnect.backoff.ms": 1_000,
        "logger": _LOGGER,
        **{
            name: _resolved(value)
            for name, value in settings.KAFKA_CLIENT_OPTIONS.items()
        },
        "bootstrap.servers": settings.KAFKA_BOOTSTRAP_SERVERS,
    }


def _resolved(value: Any) -> Any:
    if isinstance(value, dict) and set(value) == {"secret"}:
        return secrets.get(value["secret"])
    return value
