"""The partitions that the group has given us, and the Kafka client behind them."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Iterable, Sequence

import structlog
from confluent_kafka import Consumer, KafkaError, KafkaException
from confluent_kafka import Message as KafkaMessage
from confluent_kafka import TopicPartition

from kafka_bridge import metrics
from kafka_bridge.exceptions import ConsumerFailed
from kafka_bridge.message import Partition, from_kafka
from kafka_bridge.work import PartitionWork, Pending, pending

log = structlog.get_logger(__name__)


class Assignment:
    """Takes messages, stores offsets, pauses and resumes; knows nothing of the API.

    Kafka's rebalance callbacks come inside :meth:`fetch` and :meth:`close` only, so
    the partitions do not change while a batch is on its way.
    """

    def __init__(
        self,
        kafka: Consumer,
        *,
        linger_s: float = 0.005,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """``kafka`` has the options of :func:`kafka_bridge.options.consumer`.

        ``linger_s`` is how long to wait for a further message after each one: a
        moment that lets what came in one fetch go out in one batch.
        """
        self._kafka = kafka
        self._linger_s = linger_s
        self._clock = clock
        self._work: dict[Partition, PartitionWork] = {}
        #: Whether the group has answered, be it with no partition at all.
        self.joined = False

    def __getitem__(self, partition: Partition) -> PartitionWork:
        """Return the work of a partition that is ours."""
        return self._work[partition]

    @property
    def partitions(self) -> set[Partition]:
        """The partitions that are ours."""
        return set(self._work)

    @property
    def drained(self) -> bool:
        """Whether every partition was read to its end and nothing is held."""
        return self.joined and all(
            work.at_end and not len(work) for work in self._work.values()
        )

    def subscribe(self, topics: Sequence[str]) -> None:
        """Join the group."""
        self._kafka.subscribe(
            list(topics),
            on_assign=self._on_assign,
            on_revoke=self._on_revoke,
            on_lost=self._on_lost,
        )

    def waiting(self) -> Iterable[Pending]:
        """Return what is to be tried now, each partition's messages in their order."""
        now = self._clock()
        for work in self._work.values():
            if work.due(now):
                yield from work.waiting()

    def fetch(self, timeout_s: float, *, messages: int, octets: int) -> int:
        """Take what Kafka has, up to a limit; return how many messages came.

        Waits up to ``timeout_s`` for the first one, unless something held is due.

        Raises:
            ConsumerFailed: Kafka wants this member to end.
        """
        now = self._clock()
        self._resume_idle(now)
        wait = self._patience(now, timeout_s)
        taken = 0
        while taken < messages and octets > 0:
            message = self._poll(wait)
            if message is None:
                break
            wait = self._linger_s
            if message.error() is not None:
                self._on_error(message)
                continue
            value = from_kafka(message)
            if value.partition in self._work:
                self._work[value.partition].take(pending(value))
            taken += 1
            octets -= len(value.value or b"")
        return taken

    def store(self) -> None:
        """Store each partition's offset; the client commits it within a second."""
        for partition, work in self._work.items():
            offset = work.offset_to_store()
            if offset is None:
                continue
            try:
                self._kafka.store_offsets(offsets=[TopicPartition(*partition, offset)])
            except KafkaException as error:
                # _STATE: no longer ours. Whoever has it posts again, same key.
                log.info("offset_not_stored", partition=partition, error=str(error))

    def pause(self, partitions: Collection[Partition], delay_s: float) -> None:
        """Take no message of ``partitions``; what is held is due after ``delay_s``.

        Polling goes on, so the group keeps us.
        """
        self._kafka.pause([TopicPartition(*partition) for partition in partitions])
        for partition in partitions:
            self._work[partition].paused = True
            self._work[partition].retry_at = self._clock() + delay_s

    def resume(self, partitions: Collection[Partition]) -> None:
        """Take messages of ``partitions`` again; their failures are forgotten."""
        paused = [p for p in partitions if self._work[p].paused]
        for partition in partitions:
            work = self._work[partition]
            work.paused, work.retry_at, work.failures = False, None, 0
        if paused:
            self._kafka.resume([TopicPartition(*partition) for partition in paused])

    def observe(self) -> None:
        """Write lag and pauses to the metrics."""
        metrics.PAUSED.set(sum(work.paused for work in self._work.values()))
        for partition, work in self._work.items():
            _, end = self._kafka.get_watermark_offsets(
                TopicPartition(*partition), cached=True
            )
            if work.position is not None and end >= 0:
                metrics.LAG.labels(*partition).set(max(0, end - work.position))

    def close(self) -> None:
        """Commit what is done and leave the group.

        With Kafka away both give up after ``session.timeout.ms``.
        """
        self._settle()
        self._kafka.close()

    def _patience(self, now: float, timeout_s: float) -> float:
        """Return how long a poll may wait before something held is due."""
        works = self._work.values()
        if any(work.due(now) for work in works):
            return 0.0
        pauses = [work.retry_at - now for work in works if work.retry_at is not None]
        return max(0.0, min([timeout_s, *pauses]))

    def _resume_idle(self, now: float) -> None:
        """Resume what was paused and holds nothing to try again with."""
        self.resume(
            [
                partition
                for partition, work in self._work.items()
                if work.retry_at is not None and now >= work.retry_at and not len(work)
            ]
        )

    def _poll(self, wait: float) -> KafkaMessage | None:
        try:
            return self._kafka.poll(wait)
        except KafkaException as error:
            raise ConsumerFailed(str(error.args[0])) from error

    def _on_error(self, message: KafkaMessage) -> None:
        error = message.error()
        assert error is not None
        if error.code() == KafkaError._PARTITION_EOF:
            topic, number = message.topic(), message.partition()
            assert topic is not None and number is not None
            work = self._work.get(Partition(topic, number))
            if work is not None:
                work.at_end = True
        elif error.fatal():
            raise ConsumerFailed(str(error))
        else:
            log.warning("kafka_error", error=str(error))

    def _on_assign(self, kafka: Consumer, partitions: list[TopicPartition]) -> None:
        kafka.incremental_assign(partitions)
        # A partition that comes back may still be paused from before it left.
        kafka.resume(partitions)
        self.joined = True
        for partition in partitions:
            key = Partition(partition.topic, partition.partition)
            self._work[key] = PartitionWork()
        log.info("partitions_assigned", partitions=_names(partitions))

    def _on_revoke(self, kafka: Consumer, partitions: list[TopicPartition]) -> None:
        self._settle()
        self._drop(partitions)
        log.info("partitions_revoked", partitions=_names(partitions))

    def _on_lost(self, kafka: Consumer, partitions: list[TopicPartition]) -> None:
        # Someone else owns them by now: a commit would overtake that consumer. What
        # we posted is safe under its idempotency keys.
        self._drop(partitions)
        log.warning("partitions_lost", partitions=_names(partitions))

    def _drop(self, partitions: list[TopicPartition]) -> None:
        for partition in partitions:
            key = Partition(partition.topic, partition.partition)
            work = self._work.pop(key, None)
            if work is None:
                continue
            for item in work.waiting():
                item.span.end()
            if work.position is not None:
                metrics.LAG.remove(*key)

    def _settle(self) -> None:
        """Commit what is done, now: the client's own commit comes too late."""
        self.store()
        try:
            self._kafka.commit(asynchronous=False)
        except KafkaException as error:
            if error.args[0].code() != KafkaError._NO_OFFSET:
                # A rebalance is under way, or Kafka is away: redelivered later.
                log.warning("offsets_not_committed", error=str(error.args[0]))


def _names(partitions: list[TopicPartition]) -> list[str]:
    return [f"{partition.topic}/{partition.partition}" for partition in partitions]
