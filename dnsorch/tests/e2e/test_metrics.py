"""What Prometheus is told, and by which process."""

from __future__ import annotations

import uuid
from pathlib import Path

import httpx
from prometheus_client.parser import text_string_to_metric_families

from dnsorch.tests.e2e.harness import Stack, changeset, record, until

# What counts beside the Kafka loops is what the processes of the pool have done.
COUNTED = {
    "worker": {
        "dnsorch_request_applied_seconds_count",
        "dnsorch_request_verified_seconds_count",
        "dnsorch_requests_final_total",
        "dnsorch_request_seconds_count",
        "dnsorch_update_seconds_count",
        "dnsorch_update_requests_count",
        "dnsorch_nameserver_lag_seconds_count",
    },
    "consumer": {"dnsorch_kafka_consumed_total", "dnsorch_kafka_post_seconds_count"},
    "publisher": {"dnsorch_kafka_published_total"},
    "sweep": set(),
}
FROM_DATABASE = {
    "dnsorch_requests_open",
    "dnsorch_requests_overdue",
    "dnsorch_lanes_waiting",
    "dnsorch_drift_rrsets",
    "dnsorch_drift_zones",
    "dnsorch_lanes_dirty",
    "dnsorch_lanes_oldest_seconds",
    "dnsorch_backend_left_alone",
    "dnsorch_outbox_events",
    "dnsorch_outbox_oldest_seconds",
    "dnsorch_state_readable",
}


def port(stack: Stack, process: str) -> str:
    """Return the origin at which a process has its probes."""
    return f"http://127.0.0.1:{stack.own[process]['DNSORCH_METRICS_PORT']}"


def samples(origin: str) -> dict[str, float]:
    """Return the sum of each series over its labels."""
    answer = httpx.get(f"{origin}/metrics", trust_env=False).raise_for_status()
    found: dict[str, float] = {}
    for family in text_string_to_metric_families(answer.text):
        for sample in family.samples:
            found[sample.name] = found.get(sample.name, 0) + sample.value
    return found


def test_each_process_tells_what_it_does(stack: Stack) -> None:
    unique, key = uuid.uuid4().hex[:8], uuid.uuid4().hex
    with stack.client() as client:
        answer = client.post(
            "/api/v1/dns-records/",
            json=record(f"m-{unique}.example.test.", "192.0.2.50"),
        )
    stack.final(answer.json()["request_id"])
    name = f"k-{unique}.example.test."
    stack.produce([(key, changeset("example.test.", "create", name, "192.0.2.51"))])
    stack.final_by_key(key)

    api = samples(stack.about["api"])
    assert FROM_DATABASE - api.keys() == set()
    assert api["dnsorch_state_readable"] == 1
    for process, wanted in COUNTED.items():

        def told(process: str = process, wanted: set[str] = wanted) -> bool | None:
            found = samples(port(stack, process))
            done = {name for name in wanted if found.get(name, 0) >= 1}
            return (done == wanted) or None

        until(told, f"{process} counts {sorted(wanted)}", 20)
        found = samples(port(stack, process))
        # A gauge of the database is told by the API alone.
        assert FROM_DATABASE & found.keys() == set()
        assert found["dnsorch_loop_ready"] == 1


def test_each_process_answers_probes(stack: Stack) -> None:
    for process in COUNTED:
        for path in ("/livez", "/readyz"):
            answer = httpx.get(port(stack, process) + path, trust_env=False)
            assert (process, answer.status_code) == (process, 200)
    checks = httpx.get(f"{stack.about['api']}/readyz").json()["checks"]
    assert checks == {
        "database": "ok",
        "migrations": "ok",
        "broker": "ok",
        "kafka": "ok",
        "backends": {"embedded": "ok"},
    }


def test_the_pool_of_the_worker_keeps_to_its_places(stack: Stack) -> None:
    directory = Path(stack.own["worker"]["PROMETHEUS_MULTIPROC_DIR"])
    with stack.client() as client:
        answer = client.post(
            "/api/v1/dns-records/",
            json=record(f"p-{uuid.uuid4().hex[:8]}.example.test.", "192.0.2.52"),
            headers={"Prefer": "wait=20"},
        )
    assert answer.status_code == 200
    # Its one child, whichever process that is now.
    assert [path.name for path in directory.glob("histogram_place-*")] == [
        "histogram_place-0.db"
    ]
