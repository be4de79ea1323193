"""Every message is confirmed or known not to be, and one key keeps its order."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from confluent_kafka import KafkaError
from pytest_django.fixtures import Settings

from dnsorch.embedded.kafka import PRODUCE, MockKafka
from kafka_bridge import options
from kafka_bridge.producer import ConfirmedProducer, Outgoing
from kafka_bridge.tests.support import Topics, read


def outgoing(topic: str, value: bytes, key: bytes | None = b"k") -> Outgoing:
    return Outgoing(topic, key, value, (("header", b"x"), ("empty", None)))


@pytest.fixture
def kafka(make_kafka: Callable[[], MockKafka], settings: Settings) -> MockKafka:
    kafka = make_kafka()
    kafka.create_topic("t", 1)
    settings.KAFKA_BOOTSTRAP_SERVERS = kafka.address
    settings.KAFKA_CLIENT_OPTIONS = {}
    return kafka


def values(kafka: MockKafka) -> list[bytes | None]:
    topics = Topics(kafka.address, "requests", "outcomes", "dlq")
    return [message.value for message in read(topics, "t")]


def test_delivered_with_key_and_headers(topics: Topics) -> None:
    producer = ConfirmedProducer(options.producer)
    messages = [
        outgoing(topics.dlq, b"1"),
        Outgoing(topics.dlq, None, None, ()),
    ]
    deliveries = producer.send(messages, timeout_s=10)
    producer.close()
    assert [delivery.delivered for delivery in deliveries] == [True, True]
    found = {message.value: message for message in read(topics, topics.dlq)}
    assert found[b"1"].key == b"k"
    assert found[b"1"].headers == (("header", b"x"), ("empty", None))
    assert found[None].key is None


def test_nothing_to_send(topics: Topics) -> None:
    producer = ConfirmedProducer(options.producer)
    assert producer.send([], timeout_s=10) == []
    producer.close()


def test_the_same_key_lands_where_java_clients_put_it(topics: Topics) -> None:
    producer = ConfirmedProducer(options.producer)
    keys = [b"21", b"foobar", b"a-little-bit-long-string"]
    sent = producer.send(
        [outgoing(topics.requests, key, key) for key in keys], timeout_s=10
    )
    producer.close()
    assert all(delivery.delivered for delivery in sent)
    # The reference values of Kafka's UtilsTest.testMurmur2.
    hashes = {
        b"21": -973932308,
        b"foobar": -790332482,
        b"a-little-bit-long-string": -985981536,
    }
    got = {m.key: m.partition.number for m in read(topics, topics.requests)}
    assert got == {key: (value & 0x7FFFFFFF) % 3 for key, value in hashes.items()}


def test_kafka_away_is_a_failed_delivery_and_nothing_is_sent_later(
    kafka: MockKafka,
) -> None:
    producer = ConfirmedProducer(options.producer)
    assert producer.send([outgoing("t", b"1")], timeout_s=10)[0].delivered
    kafka.go_down()
    deliveries = producer.send(
        [outgoing("t", b"2"), outgoing("t", b"3")], timeout_s=0.3
    )
    assert [delivery.delivered for delivery in deliveries] == [False, False]
    kafka.come_up()
    assert producer.send([outgoing("t", b"4")], timeout_s=10)[0].delivered
    producer.close()
    assert values(kafka) == [b"1", b"4"]


def test_a_passing_error_is_retried_within_the_deadline(kafka: MockKafka) -> None:
    producer = ConfirmedProducer(options.producer)
    kafka.fail_next(PRODUCE, [KafkaError.NOT_LEADER_FOR_PARTITION] * 2)
    assert producer.send([outgoing("t", b"1")], timeout_s=10)[0].delivered
    producer.close()
    assert values(kafka) == [b"1"]


def test_a_fatal_error_fails_the_request_and_the_next_call_has_a_new_client(
    kafka: MockKafka, settings: Settings
) -> None:
    settings.KAFKA_CLIENT_OPTIONS = {"linger.ms": 100}
    producer = ConfirmedProducer(options.producer)
    kafka.fail_next(PRODUCE, [KafkaError.INVALID_RECORD])
    batch = [outgoing("t", str(number).encode()) for number in range(10)]
    errors = [delivery.error for delivery in producer.send(batch, timeout_s=10)]
    assert len(errors) == 10
    assert all("INVALID_RECORD" in str(error) for error in errors)
    assert values(kafka) == []
    again = producer.send(batch, timeout_s=10)
    producer.close()
    assert all(delivery.delivered for delivery in again)
    assert values(kafka) == [str(number).encode() for number in range(10)]


def test_a_message_too_large_holds_back_its_key_only(
    kafka: MockKafka, settings: Settings
) -> None:
    def small() -> dict[str, Any]:
        return dict(options.producer()) | {"message.max.bytes": 2_000}

    producer = ConfirmedProducer(small)
    batch = [
        outgoing("t", b"x" * 3_000, b"a"),
        outgoing("t", b"1", b"a"),
        outgoing("t", b"2", b"b"),
    ]
    first, second, third = producer.send(batch, timeout_s=10)
    producer.close()
    assert first.error is not None and "MSG_SIZE_TOO_LARGE" in first.error
    assert second.error == "not sent: an earlier message of its key failed"
    assert third.delivered
    assert values(kafka) == [b"2"]


def test_bad_options_are_a_failed_delivery() -> None:
    producer = ConfirmedProducer(lambda: {"no.such.option": 1})
    (delivery,) = producer.send([outgoing("t", b"1")], timeout_s=1)
    assert delivery.error is not None and "no.such.option" in delivery.error
    producer.close()


def test_options_read_secrets_and_keep_what_guarantees_rest_on(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KAFKA_TEST_PASSWORD", "hunter2-hunter2")
    settings.KAFKA_CLIENT_OPTIONS = {
        "sasl.password": {"secret": "env:KAFKA_TEST_PASSWORD"},
        "acks": "1",
        "enable.idempotence": False,
        "enable.auto.offset.store": True,
        "linger.ms": 50,
    }
    produced, consumed = options.producer(), options.consumer("g")
    assert produced["sasl.password"] == "hunter2-hunter2"
    assert produced["linger.ms"] == 50
    assert (produced["acks"], produced["enable.idempotence"]) == ("all", True)
    assert consumed["enable.auto.offset.store"] is False
    assert consumed["group.id"] == "g"
