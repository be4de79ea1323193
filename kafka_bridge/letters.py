"""Dead letters: chosen, listed newest first; reading them leaves no trace in Kafka."""

from __future__ import annotations

import heapq
import time
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from itertools import islice
from typing import Final, NamedTuple, Self

from confluent_kafka import Consumer, KafkaError, KafkaException, TopicPartition
from django.conf import settings

from kafka_bridge import options
from kafka_bridge.dlq import PREFIX
from kafka_bridge.exceptions import DeadLettersUnreadable
from kafka_bridge.message import Message, from_kafka

_TIMEOUT_S: Final = 10.0


class Place(NamedTuple):
    """Where a letter stands in the dead-letter topic."""

    partition: int
    offset: int

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read what :meth:`__str__` writes.

        Raises:
            ValueError: it is something else.
        """
        partition, _, offset = text.partition(":")
        if not (partition.isascii() and partition.isdigit()):
            raise ValueError(f"{text!r} is no place in a topic")
        if not (offset.isascii() and offset.isdigit()):
            raise ValueError(f"{text!r} is no place in a topic")
        return cls(int(partition), int(offset))

    @classmethod
    def of(cls, letter: Message) -> Self:
        """Return the place of a letter."""
        return cls(letter.partition.number, letter.offset)

    def __str__(self) -> str:
        return f"{self.partition}:{self.offset}"


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


class Page(NamedTuple):
    """Some letters, the newest first, and where the page after them begins.

    ``older`` is for each partition the offset before which they are; None if there
    are none.
    """

    letters: list[Message]
    older: Mapping[int, int] | None


def text(letter: Message, name: str) -> str:
    """Return one of the headers that a dead letter has of its own."""
    return (letter.header(PREFIX + name) or b"").decode("utf-8", "replace")


def selected(kafka: Consumer, topic: str, selection: Selection) -> Iterator[Message]:
    """Return the selected letters of ``topic``, partition by partition.

    Raises:
        KafkaException: the topic cannot be read.
    """
    for number in _partitions(kafka, topic, _TIMEOUT_S):
        if selection.partition in (None, number):
            partition = TopicPartition(topic, number)
            first, end = kafka.get_watermark_offsets(partition, timeout=_TIMEOUT_S)
            found = _read(kafka, partition, first, end, lambda: _TIMEOUT_S)
            yield from (letter for letter in found if selection.matches(letter))


def newest(
    *, count: int, before: Mapping[int, int] | None = None, timeout_s: float
) -> Page:
    """Return the ``count`` newest letters, or of those ``before`` these offsets.

    Partitions are merged by time; in each the order is that of its offsets. All of it
    takes ``timeout_s`` seconds at most.

    Raises:
        DeadLettersUnreadable: Kafka does not answer in time, or says no.
    """
    topic = settings.KAFKA_TOPIC_DLQ
    ends: dict[int, int] = {}
    newest_first: list[list[Message]] = []
    with _reader(timeout_s) as (kafka, left):
        for number in _partitions(kafka, topic, left()):
            partition = TopicPartition(topic, number)
            first, end = kafka.get_watermark_offsets(partition, timeout=left())
            ends[number] = end = min(end, (before or {}).get(number, end))
            # Every letter may be of this partition; one more says that others follow.
            start = max(first, end - count - 1)
            found = list(_read(kafka, partition, start, end, left))
            newest_first.append(found[::-1])
    merged = heapq.merge(*newest_first, key=lambda each: each.timestamp, reverse=True)
    chosen = list(islice(merged, count))
    for letter in chosen:
        ends[letter.partition.number] = letter.offset
    more = sum(map(len, newest_first)) > len(chosen)
    return Page(chosen, ends if more else None)


def at(places: Collection[Place], *, timeout_s: float) -> dict[Place, Message]:
    """Return the letters that stand at ``places``; what Kafka dropped is missing.

    Raises:
        DeadLettersUnreadable: Kafka does not answer in time, or says no.
    """
    topic = settings.KAFKA_TOPIC_DLQ
    found: dict[Place, Message] = {}
    with _reader(timeout_s) as (kafka, left):
        known = _partitions(kafka, topic, left())
        for number, offset in sorted(places):
            if number not in known:
                continue
            partition = TopicPartition(topic, number)
            first, end = kafka.get_watermark_offsets(partition, timeout=left())
            if first <= offset < end:
                for letter in _read(kafka, partition, offset, offset + 1, left):
                    found[Place.of(letter)] = letter
    return found


@contextmanager
def _reader(timeout_s: float) -> Iterator[tuple[Consumer, Callable[[], float]]]:
    """Give a consumer without a group's offsets, and the seconds that are left.

    Raises:
        DeadLettersUnreadable: Kafka does not answer in time, or says no.
    """
    deadline = time.monotonic() + timeout_s
    kafka = Consumer(options.reader())
    try:
        # Never 0, which would be a poll without a wait, or for ever.
        yield kafka, lambda: max(0.01, deadline - time.monotonic())
    except KafkaException as error:
        topic, why = settings.KAFKA_TOPIC_DLQ, error.args[0].str()
        raise DeadLettersUnreadable(f"cannot read {topic}: {why}") from error
    finally:
        kafka.close()


def _partitions(kafka: Consumer, topic: str, timeout_s: float) -> list[int]:
    metadata = kafka.list_topics(topic, timeout_s).topics[topic]
    if metadata.error is not None:
        raise KafkaException(metadata.error)
    return sorted(metadata.partitions)


def _read(
    kafka: Consumer,
    partition: TopicPartition,
    start: int,
    end: int,
    left: Callable[[], float],
) -> Iterator[Message]:
    """Yield what stands from ``start`` to before ``end``; ``left`` bounds each wait."""
    if start >= end:
        return
    kafka.assign([TopicPartition(partition.topic, partition.partition, start)])
    while True:
        message = kafka.poll(left())
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
