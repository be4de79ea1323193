"""What Prometheus is told about requests and outcomes that wait."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import datetime
from typing import Final

from django.db.models import Count, Min, QuerySet
from prometheus_client import Counter, Histogram
from prometheus_client.core import Metric

from dnsorch import clock
from dnsorch.metrics import STEP_BUCKETS
from dnsorch.state_metrics import Gauge
from requests_tracker.models import OutboxEvent, Request
from requests_tracker.models.request import Source
from requests_tracker.status import FINAL, OPEN, Status

REQUESTS_OPEN: Final = Gauge(
    "dnsorch_requests_open",
    "Requests that are not final, by state and by the door they came through.",
    ("status", "source"),
)
REQUESTS_OVERDUE: Final = Gauge(
    "dnsorch_requests_overdue",
    "Requests past their deadline that neither end nor say until when they wait.",
)
OUTBOX_EVENTS: Final = Gauge(
    "dnsorch_outbox_events", "Outcomes that wait to be published to Kafka."
)
OUTBOX_OLDEST: Final = Gauge(
    "dnsorch_outbox_oldest_seconds", "How long the oldest of them has waited."
)
REQUESTS_FINAL: Final = Counter(
    "dnsorch_requests_final",
    "Requests that reached a final state, by it and by the door they came through.",
    ["status", "source"],
)
REQUEST_SECONDS: Final = Histogram(
    "dnsorch_request_seconds",
    "From the moment a request was due, mostly its arrival, to its final state.",
    ["status"],
    buckets=STEP_BUCKETS,
)
# A counter that appears with its first count hides that count from rate().
for _status in sorted(FINAL):
    for _source in sorted(Source.values):
        REQUESTS_FINAL.labels(_status, _source)


def count_final(requests: Iterable[Request]) -> None:
    """Count requests that have reached a final state, and how long they took."""
    now = clock.now()
    for request in requests:
        REQUESTS_FINAL.labels(request.status, request.source).inc()
        # One that is cancelled before its time has taken none.
        seconds = max(0.0, (now - request.due_since).total_seconds())
        REQUEST_SECONDS.labels(request.status).observe(seconds)


def overdue(now: datetime) -> QuerySet[Request]:
    """Return the requests that are stuck.

    A message of which nobody knows yet what it did may outlast the deadline of its
    request (it is never final before that is decided): then it has to say until when
    it waits, and that has to lie ahead.
    """
    past = Request.objects.filter(status__in=sorted(OPEN), deadline_at__lt=now)
    return past.exclude(status=Status.PROVISIONING, next_attempt_at__gte=now)


def read() -> Iterator[Metric]:
    """Yield each gauge, by queries of partial indexes: final requests cost nothing."""
    now = clock.now()
    unfinished = Request.objects.filter(status__in=sorted(OPEN)).order_by()
    counts = {
        (status, source): 0
        for status in sorted(OPEN)
        for source in sorted(Source.values)
    }
    found = unfinished.values_list("status", "source").annotate(count=Count("pk"))
    counts.update({(status, source): count for status, source, count in found})
    yield REQUESTS_OPEN.family(counts.items())
    yield REQUESTS_OVERDUE.family([((), overdue(now).count())])
    waiting = OutboxEvent.objects.filter(published_at__isnull=True).aggregate(
        count=Count("pk"), oldest=Min("created_at")
    )
    yield OUTBOX_EVENTS.family([((), waiting["count"])])
    age = (now - waiting["oldest"]).total_seconds() if waiting["oldest"] else 0.0
    yield OUTBOX_OLDEST.family([((), age)])
