"""Read chosen dead letters, in order, up to where the topic ends now."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from confluent_kafka import Consumer, KafkaError, KafkaException, TopicPartition

from kafka_bridge.dlq import PREFIX
from kafka_bridge.message import Message, from_kafka

_TIMEOUT_S: Final = 10.0


@dataclass(frozen=True)
class Selection:
    """Which dead letters are meant; None and empty select everything.

    ``partition`` and ``offset`` are those of the dead-letter topic, ``since`` is when
    the letter was written.
    """

    partition: int | None = None
    offset: int | None = None
    codes: frozenset[str] = frozenset()
    since: datetime | None = None

    def matches(self, letter: Message) -> bool:
        """Whether ``letter`` is one of them."""
        if self.partition not in (None, letter.partition.number):
            return False
        if self.offset not in (None, letter.offset):
            return False
        if self.codes and text(letter, "code") not in self.codes:
            return False
        since = self.since
        return since is None or letter.timestamp >= since.timestamp() * 1000


def text(letter: Message, name: str) -> str:
    """Return one of the headers that a dead letter has of its own."""
    return (letter.header(PREFIX + name) or b"").decode("utf-8", "replace")


def letters(kafka: Consumer, topic: str, selection: Selection) -> Iterator[Message]:
    """Return the selected letters of ``topic``, partition by partition.

    Raises:
        KafkaException: the topic cannot be read.
    """
    metadata = kafka.list_topics(topic, _TIMEOUT_S).topics[topic]
    if metadata.error is not None:
        raise KafkaException(metadata.error)
    for number in sorted(metadata.partitions):
        if selection.partition in (None, number):
            found = _read(kafka, TopicPartition(topic, number))
            yield from (letter for letter in found if selection.matches(letter))


def _read(kafka: Consumer, partition: TopicPartition) -> Iterator[Message]:
    first, end = kafka.get_watermark_offsets(partition, timeout=_TIMEOUT_S)
    if first >= end:
        return
    kafka.assign([TopicPartition(partition.topic, partition.partition, first)])
    while True:
        message = kafka.poll(_TIMEOUT_S)
        if message is None:
            raise KafkaException(KafkaError(KafkaError._TIMED_OUT))
        error = message.error()
        if error is None:
            letter = from_kafka(message)
            if letter.offset < end:
                yield letter
            if letter.offset >= end - 1:
                return
        elif error.code() == KafkaError._PARTITION_EOF:
            return
        elif not error.retriable():
            raise KafkaException(error)
