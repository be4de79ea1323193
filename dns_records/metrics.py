"""What Prometheus is told about the lanes of zones and about their backends."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from typing import Final

from django.db.models import Count, Min
from django.db.models.functions import Coalesce
from prometheus_client import Histogram
from prometheus_client.core import Metric

from dns_records.models import (
    Backend,
    Change,
    ChangeStatus,
    Drift,
    DriftKind,
    Lane,
    LaneState,
)
from dnsorch import clock
from dnsorch.metrics import STEP_BUCKETS
from dnsorch.state_metrics import Gauge

LANES_WAITING: Final = Gauge(
    "dnsorch_lanes_waiting",
    "Zones with changes that are not applied yet, by backend and state of the lane.",
    ("backend", "state"),
)
LANES_OLDEST: Final = Gauge(
    "dnsorch_lanes_oldest_seconds",
    "How long the oldest change that is not applied yet has waited.",
    ("backend",),
)
LANES_DIRTY: Final = Gauge(
    "dnsorch_lanes_dirty",
    "Zones of which somebody said that they have work and that nobody took up yet.",
    ("backend",),
)
LEFT_ALONE: Final = Gauge(
    "dnsorch_backend_left_alone",
    "1 while the backend's zones wait because it was silent, else 0.",
    ("backend",),
)
DRIFT_RRSETS: Final = Gauge(
    "dnsorch_drift_rrsets",
    "RRsets that an audit found not as they were left, open now, by kind.",
    ("kind",),
)
DRIFT_ZONES: Final = Gauge(
    "dnsorch_drift_zones",
    "Zones with such RRsets.",
)
UPDATE_SECONDS: Final = Histogram(
    "dnsorch_update_seconds",
    "How long one UPDATE took to its answer, by how it ended.",
    ["backend", "outcome"],
    buckets=STEP_BUCKETS,
)
UPDATE_REQUESTS: Final = Histogram(
    "dnsorch_update_requests",
    "Requests in one UPDATE.",
    ["backend"],
    buckets=(1, 2, 5, 10, 20, 50, 100, 200, 500),
)
APPLIED_SECONDS: Final = Histogram(
    "dnsorch_request_applied_seconds",
    "From the moment a request was due, mostly its arrival, until it was applied.",
    ["backend"],
    buckets=STEP_BUCKETS,
)
VERIFIED_SECONDS: Final = Histogram(
    "dnsorch_request_verified_seconds",
    "From then on until every name server of the policy was found to show it.",
    ["backend"],
    buckets=STEP_BUCKETS,
)
LAG_SECONDS: Final = Histogram(
    "dnsorch_nameserver_lag_seconds",
    "From the UPDATE of a change until this name server was found to show it.",
    ["nameserver"],
    buckets=STEP_BUCKETS,
)
# As of requests, whose ``due_since`` it is.
_DUE_SINCE: Final = Coalesce("request__not_before", "request__received_at")


def read() -> Iterator[Metric]:
    """Yield each gauge; every backend has a value, also when nothing waits."""
    now = clock.now()
    backends = list(Backend.objects.values_list("name", "not_before"))
    counts = {(name, state): 0 for name, _ in backends for state in LaneState.values}
    ages: defaultdict[str, float] = defaultdict(
        float, {name: 0 for name, _ in backends}
    )
    waiting = Change.objects.filter(
        status__in=[ChangeStatus.PENDING, ChangeStatus.SENT]
    ).order_by()
    for name, state, count, oldest in waiting.values_list(
        "zone__backend__name", "zone__lane__state"
    ).annotate(count=Count("zone", distinct=True), oldest=Min(_DUE_SINCE)):
        counts[name, state] = count
        ages[name] = max(ages[name], (now - oldest).total_seconds())
    yield LANES_WAITING.family(counts.items())
    yield LANES_OLDEST.family(((name,), age) for name, age in ages.items())
    dirty = {name: 0 for name, _ in backends}
    lanes = Lane.objects.filter(dirty=True).order_by()
    counted = lanes.values_list("zone__backend__name").annotate(count=Count("pk"))
    dirty.update(dict(counted))
    yield LANES_DIRTY.family(((name,), count) for name, count in dirty.items())
    yield LEFT_ALONE.family(((name,), until is not None) for name, until in backends)
    yield from _drift()


def _drift() -> Iterator[Metric]:
    rows = Drift.objects.filter(resolved_at__isnull=True).order_by()
    counts = dict.fromkeys(DriftKind.values, 0)
    counts.update(dict(rows.values_list("kind").annotate(count=Count("pk"))))
    yield DRIFT_RRSETS.family(((kind,), count) for kind, count in counts.items())
    zones = rows.aggregate(count=Count("zone", distinct=True))
    yield DRIFT_ZONES.family([((), zones["count"])])
