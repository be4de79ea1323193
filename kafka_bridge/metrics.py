"""What the Kafka loops tell Prometheus.

Every metric is a constant here with a sentence that says what it means, so that a
misspelt one fails in mypy and not on a dashboard.
"""

from __future__ import annotations

from typing import Final

from prometheus_client import Counter, Gauge, Histogram

CONSUMED: Final = Counter(
    "dnsorch_kafka_consumed",
    "Messages that are done: tracked by the API or in the dead-letter topic.",
    ["topic"],
)
REJECTED: Final = Counter(
    "dnsorch_kafka_rejected",
    "Messages copied to the dead-letter topic, by reason.",
    ["topic", "code"],
)
RETRIED: Final = Counter(
    "dnsorch_kafka_retried",
    "Answers after which messages of a partition are posted again.",
)
LAG: Final = Gauge(
    "dnsorch_kafka_lag",
    "Messages between the end of the partition and the last one that is done.",
    ["topic", "partition"],
)
PAUSED: Final = Gauge(
    "dnsorch_kafka_paused_partitions",
    "Partitions that take no message because one waits to be posted again.",
)
POST_SECONDS: Final = Histogram(
    "dnsorch_kafka_post_seconds",
    "How long the API takes to answer one batch.",
)
POST_ITEMS: Final = Histogram(
    "dnsorch_kafka_post_items",
    "Messages in one batch.",
    buckets=(1, 2, 5, 10, 20, 50, 100, 200, 500),
)
PUBLISHED: Final = Counter(
    "dnsorch_kafka_published",
    "Outcomes that Kafka has confirmed.",
    ["type"],
)
PUBLISH_FAILED: Final = Counter(
    "dnsorch_kafka_publish_failed",
    "Outcomes whose delivery failed and is tried again.",
)
