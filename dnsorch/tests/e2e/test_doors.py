"""In through REST and Kafka, out through DNS and the outcomes topic."""

from __future__ import annotations

import json
import uuid
from typing import Any

import pytest

from dnsorch.tests.e2e.harness import TOPICS, Stack, changeset, record, until

REQUESTS, OUTCOMES, DLQ = TOPICS


def unique(label: str) -> str:
    """Return an owner name that no other test uses."""
    return f"{label}-{uuid.uuid4().hex[:8]}.example.test."


def headers(message: Any) -> dict[str, str]:
    """Return the headers of a message as text."""
    return {name: value.decode() for name, value in message.headers() or []}


def find(stack: Stack, topic: str, **wanted: str) -> list[Any]:
    """Return the messages on a topic that have these headers."""
    return [
        message
        for message in stack.messages(topic)
        if wanted.items() <= headers(message).items()
    ]


def outcomes(stack: Stack, request_id: str) -> list[dict[str, Any]]:
    """Return the events about a request, once there are any."""

    def look() -> list[dict[str, Any]] | None:
        events = [
            json.loads(message.value() or b"") for message in stack.messages(OUTCOMES)
        ]
        return [event for event in events if event["subject"] == request_id] or None

    return until(look, f"an outcome of {request_id}")


def test_a_ptr_record_goes_with_its_address(stack: Stack) -> None:
    name = unique("ptr")
    change = {"action": "create", "name": name, "type": "A", "ptr": True}
    change |= {"ttl": 60, "records": ["192.0.2.77"]}
    with stack.client() as client:
        body = {"zone": "example.test", "changes": [change]}
        answer = client.post("/api/v2/changesets/", json=body)
    assert answer.status_code == 202, answer.text

    assert stack.final(answer.json()["id"])["status"] == "completed"
    assert stack.resolve(name) == {"192.0.2.77"}
    assert stack.resolve("77.2.0.192.in-addr.arpa.", "PTR") == {name}


def test_a_record_over_rest_is_live_in_dns(stack: Stack) -> None:
    name = unique("rest")
    with stack.client() as client:
        answer = client.post("/api/v1/dns-records/", json=record(name, "192.0.2.1"))
    assert answer.status_code == 202
    request_id = answer.json()["request_id"]
    assert answer.headers["X-Tracker-Request"] == request_id

    request = stack.final(request_id)
    assert (request["status"], request["source"]) == ("completed", "rest")
    steps = [event["step"] for event in request["events"]]
    assert (steps[0], steps[-1]) == ("received", "completed")
    assert [step for step in steps if step in {"stored", "sent", "applied"}] == [
        "stored",
        "sent",
        "applied",
    ]
    times = [event["at"] for event in request["events"]]
    assert times == sorted(times)
    assert stack.resolve(name) == {"192.0.2.1"}

    (change,) = request["changes"]
    assert change["status"] == "verified"
    (server,) = change["nameservers"]
    assert server["address"] == stack.about["nameserver"]
    assert server["seen_at"] is not None


def test_prefer_wait_answers_when_it_is_live(stack: Stack) -> None:
    name = unique("wait")
    with stack.client() as client:
        answer = client.post(
            "/api/v1/dns-records/",
            json=record(name, "192.0.2.2"),
            headers={"Prefer": "wait=20"},
        )
    assert answer.status_code == 200
    assert answer.headers["Preference-Applied"] == "wait=20"
    assert stack.resolve(name) == {"192.0.2.2"}


def test_a_record_is_changed_and_removed(stack: Stack) -> None:
    name, waiting = unique("life"), {"Prefer": "wait=20"}
    with stack.client() as client:
        made = client.post(
            "/api/v1/dns-records/", json=record(name, "192.0.2.3"), headers=waiting
        )
        path = f"/api/v1/dns-records/{made.json()['record']['id']}/"
        changed = client.patch(path, json={"value": "192.0.2.4"}, headers=waiting)
        assert (made.status_code, changed.status_code) == (200, 200)
        assert stack.resolve(name) == {"192.0.2.4"}
        assert client.delete(path, headers=waiting).status_code == 200
        assert client.get(path).status_code == 404
    assert stack.resolve(name) == set()


def plain(data: dict[str, Any], key: str) -> tuple[bytes, dict[str, str]]:
    """Return a message without an envelope."""
    return json.dumps(data).encode(), {}


def structured(data: dict[str, Any], key: str) -> tuple[bytes, dict[str, str]]:
    """Return a CloudEvent in structured mode."""
    event = {
        "specversion": "1.0",
        "id": key,
        "source": "ci://web",
        "type": "dnsorch.changeset.requested",
        "data": data,
    }
    return json.dumps(event).encode(), {"content-type": "application/cloudevents+json"}


def binary(data: dict[str, Any], key: str) -> tuple[bytes, dict[str, str]]:
    """Return a CloudEvent in binary mode."""
    return json.dumps(data).encode(), {
        "content-type": "application/json",
        "ce_specversion": "1.0",
        "ce_id": key,
        "ce_source": "ci://web",
        "ce_type": "dnsorch.changeset.requested",
    }


@pytest.mark.parametrize("encode", [plain, structured, binary])
def test_a_change_set_over_kafka_is_live_in_dns(stack: Stack, encode: Any) -> None:
    name, key = unique("kafka"), uuid.uuid4().hex
    data = json.loads(changeset("example.test.", "create", name, "192.0.2.5"))
    value, extra = encode(data, key)
    stack.produce([(key, value)], headers=extra)
    request = stack.final_by_key(key)
    assert (request["status"], request["source"]) == ("completed", "kafka")
    assert request["api_version"] == "v2"
    assert stack.resolve(name) == {"192.0.2.5"}
    assert [event["type"] for event in outcomes(stack, request["id"])] == [
        "dnsorch.request.completed"
    ]


def test_an_outcome_is_the_request_itself(stack: Stack) -> None:
    with stack.client() as client:
        answer = client.post(
            "/api/v1/dns-records/", json=record(unique("outcome"), "192.0.2.6")
        )
    request = stack.final(answer.json()["request_id"])
    (event,) = outcomes(stack, request["id"])
    assert event["specversion"] == "1.0"
    assert event["type"] == "dnsorch.request.completed"
    assert event["data"]["status"] == "completed"
    assert event["data"]["id"] == request["id"]
    assert event["data"]["changes"] == request["changes"]


def test_a_message_delivered_again_changes_nothing(stack: Stack) -> None:
    name, key = unique("again"), uuid.uuid4().hex
    message = (key, changeset("example.test.", "create", name, "192.0.2.7"))
    stack.produce([message])
    first = stack.final_by_key(key)
    stack.produce([message])

    def replayed() -> Any:
        request = stack.get(f"/api/v2/requests/{first['id']}/")
        steps = [event["step"] for event in request["events"]]
        return request if "replayed" in steps else None

    request = until(replayed, "the repetition is in the timeline")
    assert request["status"] == "completed"
    assert len(stack.by_key(key)) == 1
    assert stack.added(name) == ["192.0.2.7"]


def test_one_key_is_one_request_through_both_doors(stack: Stack) -> None:
    name, key = unique("both"), uuid.uuid4().hex
    value = changeset("example.test.", "create", name, "192.0.2.8")
    stack.produce([(key, value)])
    request = stack.final_by_key(key)
    with stack.client() as client:
        answer = client.post(
            "/api/v2/changesets/",
            content=value,
            headers={"Content-Type": "application/json", "Idempotency-Key": key},
        )
    assert answer.headers["Idempotent-Replayed"] == "true"
    assert answer.json()["id"] == request["id"]
    assert stack.added(name) == ["192.0.2.8"]


def test_a_bad_message_is_a_dead_letter_and_the_next_one_goes_on(stack: Stack) -> None:
    name, bad, good = unique("after"), uuid.uuid4().hex, uuid.uuid4().hex
    value = b'{"changes": [\xff'
    stack.produce(
        [(bad, value), (good, changeset("example.test.", "create", name, "192.0.2.9"))]
    )
    assert stack.final_by_key(good)["status"] == "completed"
    (letter,) = until(
        lambda: find(stack, DLQ, **{"idempotency-key": bad}) or None, "a dead letter"
    )
    assert letter.value() == value
    assert letter.key() == b"example.test."
    reason = headers(letter)
    assert reason["dnsorch-dlq-topic"] == REQUESTS
    assert reason["dnsorch-dlq-code"] != ""
    assert reason["dnsorch-dlq-detail"] != ""
    assert stack.by_key(bad) == []


def test_a_rejected_message_is_tracked_and_a_dead_letter(stack: Stack) -> None:
    key = uuid.uuid4().hex
    stack.produce([(key, changeset("nowhere.test.", "create", "www", "192.0.2.9"))])
    request = stack.final_by_key(key)
    assert request["status"] == "rejected"
    assert request["error"]["code"] == "zone_not_found"
    (letter,) = until(
        lambda: find(stack, DLQ, **{"idempotency-key": key}) or None, "a dead letter"
    )
    reason = headers(letter)
    assert reason["dnsorch-dlq-code"] == "zone_not_found"
    assert reason["dnsorch-dlq-request-id"] == request["id"]
    assert [event["type"] for event in outcomes(stack, request["id"])] == [
        "dnsorch.request.rejected"
    ]
