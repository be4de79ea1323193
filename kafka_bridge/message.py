"""A Kafka message as a value, apart from the client library."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

from confluent_kafka import Message as KafkaMessage

Headers = tuple[tuple[str, bytes | None], ...]


class Partition(NamedTuple):
    """One partition of one topic."""

    topic: str
    number: int


@dataclass(frozen=True)
class Message:
    """What a topic holds at one offset, untouched.

    ``timestamp`` is in milliseconds since the epoch, -1 if the broker gave none.
    ``headers`` are empty and not ``headers_readable`` where the name of one of them is
    not UTF-8: the client library gives none of them then.
    """

    partition: Partition
    offset: int
    timestamp: int
    key: bytes | None
    value: bytes | None
    headers: Headers
    headers_readable: bool = True

    def header(self, name: str) -> bytes | None:
        """Return the last header called ``name`` in any case, or None.

        Kafka allows a header several times; the last one counts, as in Kafka's own
        ``Headers.lastHeader``. A header without a value counts as empty.
        """
        found = None
        for header, value in self.headers:
            if header.lower() == name:
                found = value or b""
        return found


def from_kafka(message: KafkaMessage) -> Message:
    """Return the value of a message that carries no error."""
    topic, partition = message.topic(), message.partition()
    offset = message.offset()
    assert topic is not None and partition is not None and offset is not None
    try:
        headers, readable = message.headers() or [], True
    except (SystemError, UnicodeDecodeError):
        # What the library raises for a name that is not UTF-8: Kafka allows it.
        headers, readable = [], False
    pairs = headers.items() if isinstance(headers, dict) else headers
    return Message(
        partition=Partition(topic, partition),
        offset=offset,
        timestamp=message.timestamp()[1],
        key=message.key(),
        value=message.value(),
        headers=tuple(
            (name, value.encode() if isinstance(value, str) else value)
            for name, value in pairs
        ),
        headers_readable=readable,
    )
