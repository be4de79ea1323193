"""The dead-letter topic: messages that can never become a request, untouched.

A dead letter is the original key, value and headers, plus headers that say where it
came from and why it is here.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from kafka_bridge import envelope
from kafka_bridge.exceptions import NotADeadLetter
from kafka_bridge.message import Headers, Message, Partition
from kafka_bridge.producer import ConfirmedProducer, Delivery, Outgoing
from kafka_bridge.verdicts import Reason

PREFIX: Final = "dnsorch-dlq-"
#: A header is for people to read; what a problem document says may be long.
MAX_DETAIL_OCTETS: Final = 1024


@dataclass(frozen=True)
class DeadLetter:
    """A message that was rejected, why, and after how many posts."""

    message: Message
    reason: Reason
    attempts: int


class DeadLetters:
    """Writes dead letters and waits until they are stored."""

    def __init__(
        self, topic: str, producer: ConfirmedProducer, *, timeout_s: float = 10.0
    ) -> None:
        """``timeout_s`` bounds the wait for the delivery of one call's letters."""
        self._topic = topic
        self._producer = producer
        self._timeout_s = timeout_s

    def send(self, letters: Sequence[DeadLetter]) -> list[Delivery]:
        """Copy ``letters`` to the topic; return what became of each."""
        return self._producer.send(
            [outgoing(self._topic, letter) for letter in letters],
            timeout_s=self._timeout_s,
        )

    def close(self) -> None:
        """Close the producer."""
        self._producer.close()


def outgoing(topic: str, letter: DeadLetter) -> Outgoing:
    """Return the message for ``topic`` that keeps ``letter``."""
    message = letter.message
    detail = letter.reason.detail.encode("utf-8", "replace")[:MAX_DETAIL_OCTETS]
    values: dict[str, bytes] = {
        "topic": message.partition.topic.encode(),
        "partition": str(message.partition.number).encode(),
        "offset": str(message.offset).encode(),
        "timestamp": str(message.timestamp).encode(),
        "code": letter.reason.code.encode("utf-8", "replace"),
        # Cut at an octet, so drop what is left of the last character.
        "detail": detail.decode("utf-8", "ignore").encode(),
        "request-id": letter.reason.request_id.encode("utf-8", "replace"),
        "attempts": str(letter.attempts).encode(),
    }
    added: Headers = tuple((PREFIX + name, value) for name, value in values.items())
    return Outgoing(
        topic=topic,
        key=message.key,
        value=message.value,
        headers=original_headers(message) + added,
    )


def original_headers(message: Message) -> Headers:
    """Return the headers that ``message`` had before it became a dead letter."""
    return tuple(
        (name, value) for name, value in message.headers if not name.startswith(PREFIX)
    )


def original(letter: Message) -> Message:
    """Return the message that the dead letter ``letter`` keeps, as it was.

    Raises:
        NotADeadLetter: the headers do not say where it came from.
    """

    def text(name: str) -> str:
        return (letter.header(PREFIX + name) or b"").decode("utf-8", "replace")

    try:
        return Message(
            partition=Partition(text("topic"), int(text("partition"))),
            offset=int(text("offset")),
            timestamp=int(text("timestamp")),
            key=letter.key,
            value=letter.value,
            headers=original_headers(letter),
        )
    except ValueError as error:
        raise NotADeadLetter from error


def redriven(letter: Message) -> Outgoing:
    """Return the message that puts ``letter`` back to where it came from.

    Its idempotency key is new, or the API would repeat the old rejection; and it is
    the same each time one entry is put back, so that doing so twice is one request.

    Raises:
        NotADeadLetter: the headers do not say where it came from.
        InvalidHeader: it was rejected for its idempotency key; that cannot be redone.
    """
    message = original(letter)
    key = hashlib.sha256(envelope.idempotency_key(message).encode()).hexdigest()
    place = f"{letter.partition.number}:{letter.offset}"
    headers = tuple(
        (name, value)
        for name, value in message.headers
        if name.lower() != "idempotency-key"
    )
    return Outgoing(
        topic=message.partition.topic,
        key=message.key,
        value=message.value,
        headers=(*headers, ("idempotency-key", f"dlq:{key}:{place}".encode())),
    )
