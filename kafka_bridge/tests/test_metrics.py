"""What probes and Prometheus see."""

from __future__ import annotations

import socket

import httpx
import pytest
from prometheus_client import REGISTRY
from pytest_django.fixtures import Settings

from kafka_bridge import metrics
from kafka_bridge.tests.support import (
    FakeApi,
    Member,
    Topics,
    problem,
    produce,
    produce_changesets,
    results,
)


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port: int = server.getsockname()[1]
        return port


def sample(name: str, **labels: str) -> float:
    value = REGISTRY.get_sample_value(name, labels)
    assert value is not None, name
    return value


def test_probes_follow_the_heartbeat(settings: Settings) -> None:
    settings.KAFKA_METRICS_PORT = free_port()
    heartbeat = metrics.Heartbeat("test")
    url = f"http://127.0.0.1:{settings.KAFKA_METRICS_PORT}"
    with metrics.serving(heartbeat), httpx.Client(base_url=url, trust_env=False) as get:
        assert get.get("/livez").status_code == 200
        assert get.get("/readyz").status_code == 503
        heartbeat.beat(ready=True)
        ready = get.get("/readyz")
        assert (ready.status_code, ready.json()) == (200, {"status": "ok"})
        assert 'dnsorch_kafka_ready{loop="test"} 1.0' in get.get("/metrics").text
        heartbeat.beat(ready=False)
        assert get.get("/readyz").status_code == 503
        assert get.get("/elsewhere").status_code == 404
    with pytest.raises(httpx.ConnectError):
        httpx.get(f"{url}/livez", trust_env=False)


def test_a_port_of_0_serves_nothing(settings: Settings) -> None:
    settings.KAFKA_METRICS_PORT = 0
    with metrics.serving(metrics.Heartbeat("test")):
        pass


def test_a_loop_that_hangs_is_neither_alive_nor_ready() -> None:
    heartbeat = metrics.Heartbeat("test", patience_s=0.0)
    heartbeat.beat(ready=True)
    assert not heartbeat.alive
    assert not heartbeat.ready


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
