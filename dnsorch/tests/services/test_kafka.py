"""Apache Kafka: a group of two, a rebalance, a kill -9, and what is committed."""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any

import pytest
from confluent_kafka import Consumer, Producer, TopicPartition

from dnsorch.tests.e2e.harness import TOPICS, changeset, until
from dnsorch.tests.e2e.test_crashes import Names
from dnsorch.tests.e2e.test_time import soon
from dnsorch.tests.services import bind_zones
from dnsorch.tests.services.bind_zones import served
from dnsorch.tests.services.harness import (
    ZONE,
    RealStack,
    change,
    kafka_admin,
    unique,
)

MESSAGES = 240
PARTITIONS = 6
SECOND = "consumer-2"


def spread(stack: RealStack, names: Names) -> None:
    """Send a message for each name, over all partitions in turn."""
    producer = Producer({"bootstrap.servers": stack.about["kafka"]})
    for number, (name, value) in enumerate(names.values.items()):
        producer.produce(
            TOPICS[0],
            partition=number % PARTITIONS,
            key="example.test.",
            value=changeset("example.test.", "create", name, value),
            headers={"idempotency-key": names.keys[name]},
        )
    assert producer.flush(30) == 0


def shares(stack: RealStack) -> list[int]:
    """Return how many partitions each member of the group has."""
    group = stack.env["KAFKA_CONSUMER_GROUP"]
    # The client has to outlive the call, or its future never comes true.
    admin = kafka_admin()
    described = admin.describe_consumer_groups([group])[group].result(30)
    return sorted(
        len(member.assignment.topic_partitions) for member in described.members
    )


def offsets(stack: RealStack) -> tuple[Mapping[int, int], Mapping[int, int]]:
    """Return the committed offset and the end of each partition that has one."""
    consumer = Consumer(
        {
            "bootstrap.servers": stack.about["kafka"],
            "group.id": stack.env["KAFKA_CONSUMER_GROUP"],
        }
    )
    wanted = [TopicPartition(TOPICS[0], number) for number in range(PARTITIONS)]
    try:
        committed = consumer.committed(wanted, timeout=30)
        ends = {
            each.partition: consumer.get_watermark_offsets(each, timeout=30)[1]
            for each in wanted
        }
    finally:
        consumer.close()
    return {each.partition: each.offset for each in committed}, ends


def test_two_consumers_share_and_one_inherits_after_a_kill(stack: RealStack) -> None:
    stack.commands[SECOND] = stack.commands["consumer"]
    stack.start(SECOND)
    until(lambda: shares(stack) == [3, 3] or None, "both have their share")
    names = Names(MESSAGES)
    spread(stack, names)
    until(lambda: names.known(stack) or None, "the first message is taken")
    stack.kill(SECOND)
    names.check(stack)
    until(lambda: shares(stack) == [6] or None, "one has them all")

    def all_committed() -> bool | None:
        committed, ends = offsets(stack)
        return committed == ends or None

    until(all_committed, "every message is committed")


def test_what_a_killed_consumer_had_committed_is_not_skipped(stack: RealStack) -> None:
    names = Names(MESSAGES)
    spread(stack, names)
    until(lambda: names.known(stack) or None, "the first message is taken")
    stack.kill("consumer")
    committed, ends = offsets(stack)
    taken = names.known(stack)
    # A commit follows the answer, so what is committed is never ahead of the tracker.
    behind = sum(ends.values()) - sum(
        offset if offset >= 0 else ends[partition] - MESSAGES // PARTITIONS
        for partition, offset in committed.items()
    )
    assert behind >= MESSAGES - taken
    stack.start("consumer")
    names.check(stack)


@pytest.fixture
def other(stack: RealStack) -> Iterator[str]:
    """Give a second zone."""
    with bind_zones.added(stack, f"kafka-{uuid.uuid4().hex[:8]}.test.") as zone:
        yield zone


def sent(stack: RealStack, body: Mapping[str, Any]) -> Any:
    """Send a change set; return its request, final."""
    key = uuid.uuid4().hex
    stack.produce([(key, json.dumps(body).encode())])
    return stack.final_by_key(key)


def test_several_zones_an_approved_plan_and_a_time_to_come(
    stack: RealStack, other: str
) -> None:
    """What a change set can say over REST it can say in a message."""
    names = unique("here"), unique("there", other)
    changes = [change("create", name, "A", "192.0.2.1") for name in names]
    request = sent(stack, {"changes": changes, "on_failure": "revert"})
    assert (request["status"], request["source"]) == ("completed", "kafka")
    assert {part["zone"] for part in request["parts"]} == {ZONE, other}
    assert [served(stack, name) for name in names] == [[{"192.0.2.1"}] * 2] * 2

    body = {"zone": other, "changes": [change("replace", names[1], "A", "192.0.2.2")]}
    with stack.client() as client:
        plan = client.post("/api/v2/changesets/?dry_run=true", json=body).json()
    approved = body | {"digest": plan["digest"]}
    assert sent(stack, approved)["status"] == "completed"
    refused = sent(stack, approved)
    assert (refused["status"], refused["error"]["code"]) == ("rejected", "plan_changed")

    due = soon(2)
    asks = {"zone": other, "changes": [change("delete", names[1], "A")]}
    request = sent(stack, asks | {"not_before": due.isoformat()})
    assert request["status"] == "completed"
    (update,) = (each for each in request["events"] if each["step"] == "sent")
    assert datetime.fromisoformat(update["at"]) >= due
    assert served(stack, names[1]) == [set()] * 2
