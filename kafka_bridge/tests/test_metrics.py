"""What Prometheus sees."""

from __future__ import annotations

from prometheus_client import REGISTRY

from kafka_bridge.tests.support import (
    FakeApi,
    Member,
    Topics,
    problem,
    produce,
    produce_changesets,
    results,
)


def sample(name: str, **labels: str) -> float:
    value = REGISTRY.get_sample_value(name, labels)
    assert value is not None, name
    return value


def test_the_consumer_counts(topics: Topics, api: FakeApi) -> None:
    requests = topics.requests
    api.script = [results(problem(404, "zone_not_found", "019a"))]
    produce_changesets(topics, ["a"])
    produce(topics, [b"{"], partition=1)
    posts = sample("dnsorch_kafka_post_seconds_count")
    with Member(topics, api.url) as member:
        member.drain()
        for partition in ("0", "1"):
            assert sample("dnsorch_kafka_lag", topic=requests, partition=partition) == 0
        assert sample("dnsorch_kafka_paused_partitions") == 0
    assert sample("dnsorch_kafka_consumed_total", topic=requests) == 2
    for code in ("zone_not_found", "invalid_json"):
        assert sample("dnsorch_kafka_rejected_total", topic=requests, code=code) == 1
    assert sample("dnsorch_kafka_post_seconds_count") == posts + 1
    lag = {"topic": requests, "partition": "0"}
    assert REGISTRY.get_sample_value("dnsorch_kafka_lag", lag) is None
