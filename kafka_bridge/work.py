"""What a consumer holds of one partition, and how far its offset may move."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass

from opentelemetry.trace import INVALID_SPAN

from dnsorch import tracing
from dnsorch.tracing import Span, SpanKind
from kafka_bridge import envelope
from kafka_bridge.exceptions import InvalidMessage
from kafka_bridge.message import Message
from kafka_bridge.verdicts import Reason


@dataclass(eq=False)
class Pending:
    """A message that is not done.

    ``item`` is the JSON to post; ``rejection`` is why it goes to the dead-letter
    topic instead; ``attempts`` counts its posts. ``span`` lasts until it is done.
    """

    message: Message
    item: bytes = b""
    rejection: Reason | None = None
    attempts: int = 0
    done: bool = False
    span: Span = INVALID_SPAN

    def log_context(self) -> dict[str, str]:
        """Return what ties log lines about the message to its trace."""
        trace_id = tracing.trace_id(tracing.traceparent(self.span))
        return {"trace_id": trace_id} if trace_id else {}

    def finish(self) -> None:
        """Note that the message is done: tracked, or a dead letter."""
        self.done = True
        if self.rejection is not None:
            tracing.fail(self.span, self.rejection.code)
        self.span.end()


def pending(message: Message) -> Pending:
    """Decode ``message``; poison comes back with its rejection."""
    work = Pending(message)

    def trace(parent: str) -> str:
        work.span = _span(message, parent)
        return tracing.traceparent(work.span) or parent

    try:
        work.item = envelope.item(message, trace)
    except InvalidMessage as error:
        work.rejection = Reason(error.code, error.detail)
    return work


def _span(message: Message, parent: str) -> Span:
    return tracing.begin(
        f"consume {message.partition.topic}",
        parent=parent,
        kind=SpanKind.CONSUMER,
        attributes={
            "messaging.system": "kafka",
            "messaging.destination.name": message.partition.topic,
            "messaging.destination.partition.id": str(message.partition.number),
            "messaging.kafka.offset": message.offset,
        },
    )


class PartitionWork:
    """The unfinished messages of one partition, in order.

    Messages may be done in any order; the offset to store is that after the highest
    one below which all are done. ``retry_at`` is when the next attempt is due on the
    caller's clock, None for now; ``failures`` counts those in a row; ``paused`` and
    ``at_end`` are what Kafka was told and has said.
    """

    def __init__(self) -> None:
        """Start with nothing held."""
        self._held: deque[Pending] = deque()
        self._last_taken = -1
        self._next_offset: int | None = None
        self._stored: int | None = None
        self.retry_at: float | None = None
        self.failures = 0
        self.paused = False
        self.at_end = False

    def __len__(self) -> int:
        """How many messages are held, done ones before an unfinished one too."""
        return len(self._held)

    def take(self, work: Pending) -> None:
        """Hold a message; one that was taken before is ignored."""
        self.at_end = False
        if work.message.offset > self._last_taken:
            self._last_taken = work.message.offset
            self._held.append(work)

    def waiting(self) -> Iterator[Pending]:
        """Return what is not done, in order."""
        return (work for work in self._held if not work.done)

    def due(self, now: float) -> bool:
        """Whether something waits and its back-off is over."""
        over = self.retry_at is None or now >= self.retry_at
        return over and any(True for _ in self.waiting())

    def offset_to_store(self) -> int | None:
        """Drop what is done; return the offset to store if it moved since last time."""
        while self._held and self._held[0].done:
            self._next_offset = self._held.popleft().message.offset + 1
        if self._next_offset == self._stored:
            return None
        self._stored = self._next_offset
        return self._stored

    @property
    def position(self) -> int | None:
        """The offset after the last message that is done, None before the first."""
        return self._next_offset
