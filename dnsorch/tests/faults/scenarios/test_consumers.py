"""Kafka's consumers come, go, die and stand still; and meet what they cannot read."""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import NamedTuple

from confluent_kafka import Consumer, Producer, TopicPartition
from confluent_kafka.admin import (  # type: ignore[attr-defined]
    AlterConfigOpType,
    ConfigEntry,
    ConfigResource,
    ResourceType,
)

from dnsorch.tests import real
from dnsorch.tests.e2e.harness import TOPICS, until
from dnsorch.tests.faults.gather import headers_of
from dnsorch.tests.faults.scenarios.conftest import Run
from dnsorch.tests.faults.stack import FaultStack, await_fired
from dnsorch.tests.faults.trial import Trial
from dnsorch.tests.services.harness import ZONE, kafka_admin

PREFIX = "dnsorch-dlq-"


def test_consumers_come_and_go(
    run: Run, stack: FaultStack, further_zones: list[str]
) -> None:
    with run("22 rebalances", *further_zones[:4], rest=0, kafka=2) as trial:
        with stack.another("consumer") as second:
            # Died, and stood still, between an answer and its offsets.
            for action in ("exit", "stop"):
                (fired,) = trial.arm(f"after_post={action}")
                trial.write(3)
                pid = await_fired(fired)
                trial.write(3)
                # The other one inherits what it held.
                trial.go_on(60)
                if action == "stop":
                    stack.await_stopped(fired)
                    os.kill(pid, signal.SIGCONT)
                stack.revive()
            # One leaves in the middle of its work, comes back, and the other leaves.
            for name in ("consumer", second):
                with ThreadPoolExecutor(1) as pool:
                    writing = pool.submit(trial.write, 6)
                    assert stack.terminate(name) == 0
                    stack.start(name)
                    writing.result()
                trial.faults += 2
            trial.go_on(60)
    assert trial.accepted() == {name: [*range(1, 25)] for name in trial.workload.names}


# --- poison ---------------------------------------------------------------------------


class Poison(NamedTuple):
    """A message that can become no request, and the code that says why."""

    code: str
    value: bytes | None
    headers: dict[str, str] = {}
    key: str | None = ZONE


def event(**attributes: str) -> bytes:
    """Return a CloudEvent in structured mode."""
    return json.dumps({"data": {}, **attributes}).encode()


STRUCTURED = {"content-type": "application/cloudevents+json"}
ATTRIBUTES = {"source": "urn:poison", "type": "dnsorch.changeset.requested"}
POISON = (
    Poison("invalid_json", b"{"),
    Poison("message_too_large", b'{"changes": "' + b"x" * 950_000 + b'"}'),
    Poison(
        "unknown_type",
        event(specversion="1.0", id="1", source="urn:poison", type="no.such"),
        STRUCTURED,
    ),
    Poison("invalid_cloudevent", event(specversion="1.0", **ATTRIBUTES), STRUCTURED),
    Poison(
        "unsupported_cloudevent",
        event(specversion="9.9", id="1", **ATTRIBUTES),
        STRUCTURED,
    ),
    Poison("empty_message", None, key=None),
)


class Letter(NamedTuple):
    """What a dead letter says of itself."""

    key: str
    code: str
    source: str
    value: bytes | None


def test_poison_is_put_aside(run: Run, stack: FaultStack) -> None:
    with run("26 poison", ZONE, rest=0, kafka=1) as trial:
        sent: list[Letter] = []
        for number, poison in enumerate(POISON):
            trial.write(1)
            sent.append(send(trial, f"poison-{number}", poison))
        trial.write(1)
        # A rejection of the API is tracked, and a dead letter with its request.
        body = {
            "zone": ZONE,
            "changes": [{"action": "delete", "name": "no", "type": "A"}],
        }
        rejected = Poison("rrset_not_found", json.dumps(body).encode())
        sent.append(send(trial, "rejected", rejected))
        trial.faults = len(sent)
        trial.go_on(60)
        until(lambda: len(letters(trial)) >= len(sent) or None, "all are put aside")
    assert letters(trial) == sorted(sent, key=str)
    assert trial.accepted()[trial.workload.names[0]] == [*range(1, len(POISON) + 2)]


def test_dead_letters_cannot_be_written(run: Run, stack: FaultStack) -> None:
    with run("26 dead letters refused", ZONE, rest=0, kafka=1) as trial:
        trial.write(1)
        trial.go_on(60)
        with full(TOPICS[2]):
            letter = send(trial, "poison", POISON[0])
            trial.write(2)
            process = stack.running["consumer"]
            # It gives up, and has stored no offset beyond the poison.
            until(lambda: process.poll(), "the consumer ends")
            assert process.returncode == 1
            assert committed(stack, letter.source) <= int(letter.source.split("/")[2])
            assert letters(trial) == []
        trial.faults = 1
        stack.heal()
        until(lambda: letters(trial) or None, "it is put aside")
    assert letters(trial) == [letter]


def send(trial: Trial, label: str, poison: Poison) -> Letter:
    """Produce a message; return the dead letter that is to come of it."""
    places: list[str] = []
    producer = Producer(
        {
            "bootstrap.servers": real.setting("KAFKA_BOOTSTRAP_SERVERS"),
            "message.max.bytes": 1_000_000,
        }
    )
    key = f"{trial.workload.label}-{label}"
    producer.produce(
        TOPICS[0],
        key=poison.key,
        value=poison.value,
        headers={"idempotency-key": key, **poison.headers},
        on_delivery=lambda error, message: places.append(
            f"{message.topic()}/{message.partition()}/{message.offset()}"
        ),
    )
    assert producer.flush(30) == 0
    return Letter(key, poison.code, places[0], poison.value)


def letters(trial: Trial) -> list[Letter]:
    """Return the dead letters of a run."""
    found = []
    for message in trial.stack.messages(TOPICS[2]):
        headers = {name: text.decode() for name, text in headers_of(message).items()}
        key = headers.get("idempotency-key", "")
        if key.startswith(trial.workload.label):
            parts = ("topic", "partition", "offset")
            source = "/".join(headers[PREFIX + part] for part in parts)
            code = headers[f"{PREFIX}code"]
            found.append(Letter(key, code, source, message.value()))
    return sorted(found, key=str)


def committed(stack: FaultStack, place: str) -> int:
    """Return the offset that the group has committed in the partition of a message."""
    topic, number, _ = place.split("/")
    consumer = Consumer(
        {
            "bootstrap.servers": real.setting("KAFKA_BOOTSTRAP_SERVERS"),
            "group.id": stack.env["KAFKA_CONSUMER_GROUP"],
        }
    )
    try:
        found = consumer.committed([TopicPartition(topic, int(number))], timeout=30)
    finally:
        consumer.close()
    return int(found[0].offset)


@contextmanager
def full(topic: str) -> Iterator[None]:
    """Have a topic refuse every message, for its size."""
    admin = kafka_admin()

    def limit(octets: str | None) -> None:
        operation = AlterConfigOpType.SET if octets else AlterConfigOpType.DELETE
        entry = ConfigEntry(
            "max.message.bytes", octets, incremental_operation=operation
        )
        resource = ConfigResource(
            ResourceType.TOPIC, topic, incremental_configs=[entry]
        )
        for altered in admin.incremental_alter_configs([resource]).values():
            altered.result(30)

    limit("10")
    try:
        yield
    finally:
        limit(None)
