"""From the outbox to the outcomes topic: at least once, each zone in its order.

:meth:`Publisher.step` is one turn of the loop; the management command owns the loop,
the signals and the exit code.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final
from uuid import UUID

import structlog

from dnsorch import failpoints, tracing
from dnsorch.tracing import Span, SpanKind
from kafka_bridge import metrics, outcomes
from kafka_bridge.backoff import Backoff
from kafka_bridge.producer import ConfirmedProducer, Delivery
from requests_tracker.models import OutboxEvent
from requests_tracker.selectors import requests
from requests_tracker.services import outbox

LEASE: Final = "outcomes"
#: How often a publisher that stands by looks whether the lease is free.
STAND_BY_S: Final = 1.0
Bodies = Callable[[Iterable[UUID]], Mapping[UUID, Mapping[str, Any]]]

log = structlog.get_logger(__name__)


@dataclass
class _Held:
    """A key whose delivery failed, and when it is tried again."""

    failures: int = 0
    until: float = 0.0


class Publisher:
    """One publisher; it works while it holds the lease and stands by otherwise."""

    def __init__(
        self,
        producer: ConfirmedProducer,
        *,
        topic: str,
        source: str,
        holder: str,
        bodies: Bodies,
        batch_size: int = 200,
        lease_s: float = 30.0,
        delivery_timeout_s: float | None = None,
        backoff: Backoff = Backoff(),
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Keep what a step needs.

        ``bodies`` returns the v2 body of each request; ``holder`` names this process
        to people. ``delivery_timeout_s`` is a third of ``lease_s`` if not given, 10 at
        most.
        """
        self._producer = producer
        self._topic = topic
        self._source = source
        self._holder = holder
        self._bodies = bodies
        self._batch_size = batch_size
        self._lease_s = lease_s
        self._delivery_timeout_s = delivery_timeout_s or min(10.0, lease_s / 3)
        self._backoff = backoff
        self._clock = clock
        self._token: int | None = None
        self._lease_due = 0.0
        self._after_zone: str | None = None
        self._held: dict[str, _Held] = {}
        self._all = _Held()

    @property
    def active(self) -> bool:
        """Whether this publisher holds the lease."""
        return self._token is not None

    @property
    def failing(self) -> bool:
        """Whether a delivery failed and is yet to be tried again."""
        return bool(self._held) or self._all.failures > 0

    def step(self) -> int:
        """Publish one batch; return how many events Kafka has confirmed.

        0 means there is nothing to do now: no event, no lease, or a back-off.
        """
        if not self._has_lease() or self._clock() < self._all.until:
            return 0
        events = self._next()
        if not events:
            return 0
        ids = [event.request_id for event in events]
        bodies, began = self._bodies(ids), requests.traceparents(ids)
        spans = [self._span(event, began[event.request_id]) for event in events]
        messages = [
            outcomes.outgoing(
                event,
                bodies[event.request_id],
                topic=self._topic,
                source=self._source,
                began=began[event.request_id],
                traceparent=tracing.traceparent(span) or began[event.request_id],
            )
            for event, span in zip(events, spans, strict=True)
        ]
        deliveries = self._producer.send(messages, timeout_s=self._delivery_timeout_s)
        failpoints.hit("after_produce")
        for span, delivery in zip(spans, deliveries, strict=True):
            if not delivery.delivered:
                tracing.fail(span, "not_delivered")
            span.end()
        return self._settle(events, deliveries)

    def _span(self, event: OutboxEvent, parent: str) -> Span:
        return tracing.begin(
            f"publish {self._topic}",
            parent=parent,
            kind=SpanKind.PRODUCER,
            attributes={
                "messaging.system": "kafka",
                "messaging.destination.name": self._topic,
                "dnsorch.request_id": str(event.request_id),
                "dnsorch.status": event.type,
            },
        )

    def close(self) -> None:
        """Give the lease back and close the producer."""
        self._producer.close()
        if self._token is not None:
            outbox.release_lease(name=LEASE, token=self._token)
            self._token = None

    def _has_lease(self) -> bool:
        """Renew the lease in good time, or try to take it."""
        now = self._clock()
        if now < self._lease_due:
            return self.active
        token = self._token
        if token is not None and not outbox.renew_lease(
            name=LEASE, token=token, ttl_s=self._lease_s
        ):
            log.warning("publisher_lease_lost")
            token = self._token = None
        if token is None:
            self._token = outbox.take_lease(
                name=LEASE, holder=self._holder, ttl_s=self._lease_s
            )
        if self._token is not None and token is None:
            log.info("publisher_lease_taken", holder=self._holder)
        # Renewed with two thirds of its time left, a lease outlasts any step.
        self._lease_due = now + (self._lease_s / 3 if self.active else STAND_BY_S)
        return self.active

    def _next(self) -> list[OutboxEvent]:
        """Return the next page of events, all zones in turn."""
        now = self._clock()
        waiting = [key for key, held in self._held.items() if held.until > now]
        events = outbox.pending(
            limit=self._batch_size, after_zone=self._after_zone, without_keys=waiting
        )
        if not events and self._after_zone is not None:
            events = outbox.pending(limit=self._batch_size, without_keys=waiting)
        full = len(events) == self._batch_size
        self._after_zone = events[-1].zone if full else None
        return events

    def _settle(self, events: list[OutboxEvent], deliveries: list[Delivery]) -> int:
        """Mark what Kafka has confirmed; hold back the keys that failed."""
        delivered = [e for e, d in zip(events, deliveries, strict=True) if d.delivered]
        outbox.mark_published([event.id for event in delivered])
        for event in delivered:
            metrics.PUBLISHED.labels(event.type).inc()
        failed: dict[str, str] = {}
        for event, delivery in zip(events, deliveries, strict=True):
            if not delivery.delivered:
                failed.setdefault(event.key, str(delivery.error))
        for key in {event.key for event in delivered} - failed.keys():
            self._held.pop(key, None)
        if failed:
            metrics.PUBLISH_FAILED.inc(len(events) - len(delivered))
            log.warning(
                "outcomes_not_delivered",
                events=len(events) - len(delivered),
                error=next(iter(failed.values())),
            )
        # One key alone may be the key's own fault: an outcome too large, say.
        self._hold(failed.keys(), everything=not delivered and len(failed) > 1)
        return len(delivered)

    def _hold(self, keys: Iterable[str], *, everything: bool) -> None:
        """Back off: for the failed keys, or at all if Kafka took nothing."""
        now = self._clock()
        if everything:
            self._all.failures += 1
            self._all.until = now + self._backoff.after(self._all.failures)
            return
        self._all = _Held()
        for key in keys:
            held = self._held.setdefault(key, _Held())
            held.failures += 1
            held.until = now + self._backoff.after(held.failures)
