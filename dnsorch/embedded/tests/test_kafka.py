"""The mock cluster through ctypes: the smoke test of an experimental interface."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from confluent_kafka import Consumer, KafkaError, Producer
from confluent_kafka.admin import AdminClient

from dnsorch.embedded.kafka import PRODUCE, MockClusterFailed, MockKafka

ROOT = Path(__file__).resolve().parents[3]
DEADLINE_S = 60.0


@pytest.fixture
def kafka() -> Iterator[MockKafka]:
    with MockKafka({"three": 3, "one": 1}) as cluster:
        yield cluster


def producer(address: str, **options: Any) -> Producer:
    return Producer({"bootstrap.servers": address, "acks": "all", **options})


def deliver(client: Producer, topic: str, value: bytes) -> KafkaError | None:
    """Produce one message; return what its delivery report says."""
    reports: list[KafkaError | None] = []
    client.produce(topic, value, on_delivery=lambda error, _: reports.append(error))
    assert client.flush(DEADLINE_S) == 0
    (report,) = reports
    return report


def consume(address: str, topic: str, group: str, count: int) -> list[bytes | None]:
    """Return ``count`` values as a new member of ``group``, and commit."""
    consumer = Consumer(
        {
            "bootstrap.servers": address,
            "group.id": group,
            "auto.offset.reset": "earliest",
            "enable.auto.commit": False,
        }
    )
    consumer.subscribe([topic])
    found: list[bytes | None] = []
    while len(found) < count:
        message = consumer.poll(DEADLINE_S)
        assert message is not None and message.error() is None
        found.append(message.value())
    consumer.commit(asynchronous=False)
    consumer.close()
    return found


def test_topics_have_the_partitions_that_were_asked_for(kafka: MockKafka) -> None:
    topics = AdminClient({"bootstrap.servers": kafka.address}).list_topics(
        timeout=DEADLINE_S
    )
    counts = {name: len(topic.partitions) for name, topic in topics.topics.items()}
    assert counts == {"three": 3, "one": 1}


def test_a_message_goes_round(kafka: MockKafka) -> None:
    client = producer(kafka.address, **{"enable.idempotence": True})
    assert deliver(client, "one", b"1") is None
    assert deliver(client, "one", b"2") is None
    client.close()
    assert consume(kafka.address, "one", "group", 2) == [b"1", b"2"]


@pytest.mark.parametrize(("name", "partitions"), [("one", 1), ("new", 0), ("new", -1)])
def test_a_topic_that_cannot_be_created(
    kafka: MockKafka, name: str, partitions: int
) -> None:
    with pytest.raises(MockClusterFailed, match=name):
        kafka.create_topic(name, partitions)


def test_injected_errors_are_answered_one_each(kafka: MockKafka) -> None:
    kafka.fail_next(PRODUCE, [KafkaError.MSG_SIZE_TOO_LARGE])
    client = producer(kafka.address)
    error = deliver(client, "one", b"1")
    assert error is not None and error.code() == KafkaError.MSG_SIZE_TOO_LARGE
    assert deliver(client, "one", b"2") is None
    client.close()


def test_injected_errors_can_be_forgotten(kafka: MockKafka) -> None:
    kafka.fail_next(PRODUCE, [KafkaError.MSG_SIZE_TOO_LARGE] * 3)
    kafka.stop_failing(PRODUCE)
    client = producer(kafka.address)
    assert deliver(client, "one", b"1") is None
    client.close()


def test_going_down_and_coming_up_keeps_what_is_stored(kafka: MockKafka) -> None:
    client = producer(kafka.address)
    assert deliver(client, "one", b"1") is None
    kafka.go_down()
    impatient = producer(kafka.address, **{"message.timeout.ms": 200})
    error = deliver(impatient, "one", b"lost")
    assert error is not None and error.code() == KafkaError._MSG_TIMED_OUT
    impatient.close()
    kafka.come_up()
    assert deliver(client, "one", b"2") is None
    client.close()
    assert consume(kafka.address, "one", "group", 2) == [b"1", b"2"]


def test_a_delay_holds_up_every_answer(kafka: MockKafka) -> None:
    kafka.set_delay(300)
    client = producer(kafka.address)
    latencies: list[float] = []
    client.produce(
        "one", b"1", on_delivery=lambda _, m: latencies.append(m.latency() or 0.0)
    )
    assert client.flush(DEADLINE_S) == 0
    client.close()
    assert latencies[0] >= 0.3


def test_closing_twice_is_harmless() -> None:
    kafka = MockKafka()
    kafka.close()
    kafka.close()


def start(*arguments: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "manage.py", "run_kafka", *arguments],
        cwd=ROOT,
        env=os.environ | {"PYTHONUNBUFFERED": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def test_the_command_serves_a_fixed_port_until_sigterm() -> None:
    process = start("--listen", "127.0.0.1:0", "--topic", "requests:2")
    try:
        assert process.stdout is not None
        line = process.stdout.readline()
        assert line.startswith("Kafka is ready on 127.0.0.1:")
        assert line.endswith(", topics: requests (2)\n")
        address = line.removeprefix("Kafka is ready on ").partition(",")[0]
        client = producer(address)
        # Metadata names the relay, so the second connection goes through it too.
        brokers = client.list_topics(timeout=DEADLINE_S).brokers.values()
        assert [f"{broker.host}:{broker.port}" for broker in brokers] == [address]
        assert deliver(client, "requests", b"1") is None
        assert consume(address, "requests", "group", 1) == [b"1"]
        process.send_signal(signal.SIGTERM)
        assert process.wait(DEADLINE_S) == 0
        client.close()
    finally:
        process.kill()
        _, errors = process.communicate()
    assert "Traceback" not in errors


def test_a_taken_port_is_one_clear_line() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        process = start("--listen", f"127.0.0.1:{port}")
        _, errors = process.communicate(timeout=DEADLINE_S)
    assert process.returncode == 1
    assert errors.splitlines() == [
        f"CommandError: cannot listen on 127.0.0.1:{port}: Address already in use"
    ]


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (["--listen", "9092"], "'9092' is not HOST:PORT"),
        (["--listen", "127.0.0.1:70000"], "'127.0.0.1:70000' is not HOST:PORT"),
        (["--topic", "requests"], "'requests' is not NAME:PARTITIONS"),
        (["--topic", "requests:0"], "'requests:0' is not NAME:PARTITIONS"),
    ],
)
def test_bad_arguments(arguments: list[str], complaint: str) -> None:
    process = start(*arguments)
    _, errors = process.communicate(timeout=DEADLINE_S)
    assert process.returncode == 2
    assert complaint in errors
