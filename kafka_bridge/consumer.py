"""From the requests topic to the API: at least once, in order, nothing skipped.

:meth:`RequestConsumer.step` is one turn of the loop: take what Kafka has, bury
poison, post one batch, store offsets. The management command owns the loop, the
signals and the exit code.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import islice
from typing import Final, Protocol

import structlog

from dnsorch import failpoints, tracing
from dnsorch.exceptions import SecretUnavailable
from dnsorch.tracing import SpanKind
from kafka_bridge import metrics, verdicts
from kafka_bridge.assignment import Assignment
from kafka_bridge.backoff import Backoff
from kafka_bridge.client import Answer
from kafka_bridge.dlq import DeadLetter, DeadLetters
from kafka_bridge.envelope import MAX_OCTETS
from kafka_bridge.exceptions import DeadLetterFailed
from kafka_bridge.message import Partition
from kafka_bridge.verdicts import Verdict
from kafka_bridge.work import Pending

MAX_BATCH: Final = 500
#: Flushes to the dead-letter topic that may fail in a row before the process ends.
MAX_BURIALS_FAILED: Final = 5
#: What surrounds a batch's items.
_FRAME_OCTETS: Final = len(b'{"items":[]}')

log = structlog.get_logger(__name__)


class Poster(Protocol):
    """Posts a batch to the API; :class:`kafka_bridge.client.ApiClient` does."""

    def post(self, items: Sequence[bytes]) -> Answer:
        """Return the answer for ``items``.

        Raises:
            SecretUnavailable: there is no token to post with.
        """


class RequestConsumer:
    """One member of the consumer group, in one thread."""

    def __init__(
        self,
        assignment: Assignment,
        api: Poster,
        dead_letters: DeadLetters,
        *,
        batch_size: int = MAX_BATCH,
        backoff: Backoff = Backoff(),
    ) -> None:
        """``batch_size`` is the most messages in one post, at most 500."""
        self._assignment = assignment
        self._api = api
        self._dead_letters = dead_letters
        self._batch_size = min(batch_size, MAX_BATCH)
        # Shrinks when the API refuses a batch as a whole or takes too long for it,
        # grows with each success.
        self._limit = self._batch_size
        self._backoff = backoff
        self._halts = 0
        self._burials_failed = 0

    @property
    def ready(self) -> bool:
        """Whether the group has let us in and the API takes our token."""
        return self._assignment.joined and not self._halts

    def step(self, timeout_s: float = 1.0, *, fetch: bool = True) -> bool:
        """Do one turn; return whether it found work.

        With nothing to do it waits for a message up to ``timeout_s`` seconds.
        Without ``fetch`` it only goes on with what is held.

        Raises:
            DeadLetterFailed: the dead-letter topic goes on taking nothing; what
                belongs there is not committed.
            ConsumerFailed: Kafka wants this member to end.
        """
        fetched = 0
        if fetch:
            fetched = self._assignment.fetch(
                timeout_s, messages=self._batch_size, octets=MAX_OCTETS
            )
        buried = self._bury()
        posted = self._post()
        if posted:
            failpoints.hit("after_post")
        self._assignment.store()
        self._assignment.observe()
        return bool(fetched or buried or posted)

    # --- the dead-letter topic ---------------------------------------------------

    def _bury(self) -> bool:
        """Copy what is rejected to the dead-letter topic; done once it is there."""
        letters = [
            (item, DeadLetter(item.message, item.rejection, item.attempts))
            for item in self._assignment.waiting()
            if item.rejection is not None
        ][: self._batch_size]
        if not letters:
            return False
        deliveries = self._dead_letters.send([letter for _, letter in letters])
        failed: set[Partition] = set()
        error = ""
        for (item, letter), delivery in zip(letters, deliveries, strict=True):
            if delivery.delivered:
                self._on_buried(item, letter)
            else:
                failed.add(item.message.partition)
                error = error or str(delivery.error)
        self._burials_failed = self._burials_failed + 1 if failed else 0
        if failed:
            log.error("dead_letters_not_delivered", error=error)
        if self._burials_failed >= MAX_BURIALS_FAILED:
            raise DeadLetterFailed(error)
        self._hold(failed)
        return True

    def _on_buried(self, item: Pending, letter: DeadLetter) -> None:
        partition, reason = item.message.partition, letter.reason
        metrics.REJECTED.labels(partition.topic, reason.code).inc()
        log.warning(
            "message_rejected",
            partition=partition,
            offset=item.message.offset,
            code=reason.code,
            detail=reason.detail,
            request_id=reason.request_id,
            **item.log_context(),
        )
        self._finish(item)

    def _finish(self, item: Pending) -> None:
        item.finish()
        metrics.CONSUMED.labels(item.message.partition.topic).inc()

    # --- the API -----------------------------------------------------------------

    def _post(self) -> bool:
        batch = self._pack()
        if not batch:
            return False
        metrics.POST_ITEMS.observe(len(batch))
        try:
            # In a trace of its own: the batch serves as many traces as it has items.
            with (
                tracing.span("post batch", parent="", kind=SpanKind.CLIENT),
                metrics.POST_SECONDS.time(),
            ):
                answer = self._api.post([item.item for item in batch])
        except SecretUnavailable as error:
            self._halt(Answer(None, detail=error.detail))
            return True
        for item in batch:
            item.attempts += 1
        if answer.results is None:
            self._on_refusal(batch, answer)
        else:
            self._on_results(batch, answer)
        return True

    def _pack(self) -> list[Pending]:
        """Return the messages of the next batch."""
        batch: list[Pending] = []
        octets = _FRAME_OCTETS
        postable = (i for i in self._assignment.waiting() if i.rejection is None)
        for item in islice(postable, self._limit):
            octets += len(item.item) + 1
            if batch and octets > MAX_OCTETS:
                break
            batch.append(item)
        return batch

    def _on_refusal(self, batch: list[Pending], answer: Answer) -> None:
        """Deal with an answer that says nothing of single items."""
        verdict = verdicts.of_answer(answer, len(batch))
        log.warning(
            "batch_refused",
            items=len(batch),
            verdict=verdict.value,
            answer=answer.detail,
        )
        if verdict is Verdict.SPLIT:
            self._limit = len(batch) // 2
        elif verdict is Verdict.HALT:
            self._halt(answer)
        elif verdict is Verdict.DEAD:
            self._grow()
            batch[0].rejection = verdicts.reason(answer.problem, answer.status)
        else:
            if answer.too_slow:
                # The same again would not be quicker, and the first is still at work.
                self._limit = max(1, len(batch) // 2)
            self._hold(_partitions(batch), answer.retry_after)

    def _on_results(self, batch: list[Pending], answer: Answer) -> None:
        """Apply the contract's table to each item of a 207."""
        self._grow()
        assert answer.results is not None
        retry: set[Partition] = set()
        halt = False
        for item, result in zip(batch, answer.results, strict=True):
            partition = item.message.partition
            verdict = verdicts.of_item(*result)
            if verdict is Verdict.DONE:
                self._finish(item)
            elif verdict is Verdict.DEAD:
                item.rejection = verdicts.reason(result.body, result.status)
            else:
                halt = halt or verdict is Verdict.HALT
                retry.add(partition)
                log.warning(
                    "message_not_accepted",
                    partition=partition,
                    offset=item.message.offset,
                    status=result.status,
                    verdict=verdict.value,
                    **item.log_context(),
                )
            if partition not in retry:
                # Progress: the partition's next failure is a first one again.
                self._assignment[partition].failures = 0
        if halt:
            self._halt(answer)
            return
        self._halts = 0
        self._assignment.resume(_partitions(batch) - retry)
        self._hold(retry, answer.retry_after)

    def _grow(self) -> None:
        self._limit = min(self._limit * 2, self._batch_size)

    # --- back-off ----------------------------------------------------------------

    def _halt(self, answer: Answer) -> None:
        """Take no message at all for a while: no message is to blame."""
        self._halts += 1
        log.error("api_refuses_us", answer=answer.detail, times=self._halts)
        delay = self._backoff.after(self._halts, answer.retry_after)
        self._assignment.pause(self._assignment.partitions, delay)

    def _hold(
        self, partitions: set[Partition], retry_after: float | None = None
    ) -> None:
        """Pause ``partitions`` until their next attempt is due."""
        if not partitions:
            return
        metrics.RETRIED.inc()
        works = [self._assignment[partition] for partition in partitions]
        for work in works:
            work.failures += 1
        # One pause for all, so that they are posted together again.
        failures = max(work.failures for work in works)
        self._assignment.pause(partitions, self._backoff.after(failures, retry_after))


def _partitions(batch: list[Pending]) -> set[Partition]:
    return {item.message.partition for item in batch}
