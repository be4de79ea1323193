"""The publisher between the outbox and a (mock) Kafka."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, timedelta
from typing import Any
from uuid import UUID

import pytest
from confluent_kafka import KafkaError
from django.utils import timezone
from pytest_django.fixtures import Settings

from dnsorch.embedded.kafka import PRODUCE, MockKafka
from kafka_bridge import options, publisher
from kafka_bridge.message import Message
from kafka_bridge.producer import ConfirmedProducer, Delivery
from kafka_bridge.publisher import Publisher
from kafka_bridge.tests.support import QUICK, Topics, eventually, read
from requests_tracker.models import OutboxEvent, PublisherLease
from requests_tracker.services import outbox
from requests_tracker.tests.outbox_factory import outbox_event

pytestmark = pytest.mark.django_db


def bodies(request_ids: Iterable[UUID]) -> Mapping[UUID, Mapping[str, Any]]:
    return {number: {"id": str(number), "status": "é"} for number in request_ids}


def make(
    topics: Topics,
    *,
    producer: ConfirmedProducer | None = None,
    holder: str = "one",
    batch_size: int = 200,
    delivery_timeout_s: float = 10.0,
    clock: Callable[[], float] = time.monotonic,
) -> Publisher:
    return Publisher(
        producer or ConfirmedProducer(options.producer),
        topic=topics.outcomes,
        source="dnsorch",
        holder=holder,
        bodies=bodies,
        batch_size=batch_size,
        delivery_timeout_s=delivery_timeout_s,
        backoff=QUICK,
        clock=clock,
    )


def ids(messages: list[Message]) -> list[str]:
    return [json.loads(message.value or b"")["id"] for message in messages]


def state(subject: Publisher) -> tuple[bool, bool]:
    """Whether it holds the lease, and whether something failed."""
    return subject.active, subject.failing


def unpublished() -> int:
    return OutboxEvent.objects.filter(published_at__isnull=True).count()


def drain(subject: Publisher) -> None:
    eventually(lambda: not unpublished(), meanwhile=subject.step)


def test_an_outcome_is_a_cloud_event(topics: Topics) -> None:
    event = outbox_event("example.test.", 1)
    subject = make(topics)
    assert subject.step() == 1
    assert subject.step() == 0
    subject.close()
    (message,) = read(topics, topics.outcomes)
    assert message.key == b"example.test."
    assert message.headers == (("content-type", b"application/cloudevents+json"),)
    assert json.loads(message.value or b"") == {
        "specversion": "1.0",
        "id": f"{event.request_id}.completed",
        "source": "dnsorch",
        "type": "dnsorch.request.completed",
        "subject": str(event.request_id),
        "time": event.created_at.astimezone(UTC).isoformat().replace("+00:00", "Z"),
        "datacontenttype": "application/json",
        "data": {"id": str(event.request_id), "status": "é"},
    }
    assert unpublished() == 0


def test_without_a_zone_the_request_is_the_key(topics: Topics) -> None:
    event = outbox_event("", None)
    subject = make(topics)
    assert subject.step() == 1
    subject.close()
    (message,) = read(topics, topics.outcomes)
    assert message.key == str(event.request_id).encode()
    assert ids([message]) == [f"{event.request_id}.rejected"]


def test_each_zone_keeps_its_order(topics: Topics) -> None:
    events = {
        zone: [outbox_event(zone, number) for number in (3, 1, 2)]
        for zone in ("a.test.", "b.test.", "c.test.")
    }
    subject = make(topics, batch_size=2)
    drain(subject)
    subject.close()
    sent = read(topics, topics.outcomes)
    assert len(sent) == 9
    for zone, (third, first, second) in events.items():
        got = ids([m for m in sent if m.key == zone.encode()])
        assert got == [f"{e.request_id}.completed" for e in (first, second, third)]


def test_a_busy_zone_does_not_starve_the_others(topics: Topics) -> None:
    for number in range(6):
        outbox_event("a.test.", number + 1)
    quiet = outbox_event("b.test.", 1)
    subject = make(topics, batch_size=2)
    assert (subject.step(), subject.step()) == (2, 1)
    quiet.refresh_from_db()
    assert quiet.published_at is not None
    drain(subject)
    subject.close()
    assert len(read(topics, topics.outcomes)) == 7


def test_a_publisher_without_the_lease_stands_by(topics: Topics) -> None:
    outbox_event("example.test.", 1)
    first, second = make(topics, holder="first"), make(topics, holder="second")
    assert first.step() == 1
    outbox_event("example.test.", 2)
    assert second.step() == 0
    assert not second.active
    first.close()
    eventually(lambda: second.step() == 1, meanwhile=lambda: None)
    second.close()
    assert len(read(topics, topics.outcomes)) == 2


def test_a_lost_lease_stops_the_publisher(
    topics: Topics, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(publisher, "STAND_BY_S", 0.0)
    now = 0.0
    producer = ConfirmedProducer(options.producer)
    subject = Publisher(
        producer,
        topic=topics.outcomes,
        source="dnsorch",
        holder="one",
        bodies=bodies,
        clock=lambda: now,
    )
    assert subject.step() == 0
    assert state(subject) == (True, False)
    PublisherLease.objects.update(expires_at=timezone.now() - timedelta(seconds=1))
    assert outbox.take_lease(name="outcomes", holder="two", ttl_s=30) == 2
    outbox_event("example.test.", 1)
    now = 10.0
    assert subject.step() == 0
    assert state(subject) == (False, False)
    subject.close()
    assert PublisherLease.objects.get().holder == "two"
    assert unpublished() == 1


def test_a_crash_between_produce_and_mark_repeats_the_same_id(
    topics: Topics, monkeypatch: pytest.MonkeyPatch
) -> None:
    event = outbox_event("example.test.", 1)
    dying = make(topics)
    with monkeypatch.context() as patch:

        def crash(event_ids: Any) -> int:
            raise KeyboardInterrupt

        patch.setattr(outbox, "mark_published", crash)
        with pytest.raises(KeyboardInterrupt):
            dying.step()
    dying.close()
    assert unpublished() == 1
    subject = make(topics)
    assert subject.step() == 1
    subject.close()
    assert ids(read(topics, topics.outcomes)) == [f"{event.request_id}.completed"] * 2


def test_nothing_is_lost_while_kafka_is_away(
    make_kafka: Callable[[], MockKafka], settings: Settings
) -> None:
    kafka = make_kafka()
    topics = Topics(kafka.address, "requests", "outcomes", "dlq")
    kafka.create_topic("outcomes", 2)
    settings.KAFKA_BOOTSTRAP_SERVERS = kafka.address
    settings.KAFKA_CLIENT_OPTIONS = {}
    for number in range(3):
        outbox_event("a.test.", number + 1)
        outbox_event("b.test.", number + 1)
    kafka.go_down()
    subject = make(topics, delivery_timeout_s=0.2)
    for _ in range(3):
        assert subject.step() == 0
    assert state(subject) == (True, True)
    assert unpublished() == 6
    kafka.come_up()
    subject._delivery_timeout_s = 10.0
    drain(subject)
    assert state(subject) == (True, False)
    subject.close()
    sent = read(topics, "outcomes")
    for zone in (b"a.test.", b"b.test."):
        seen: list[str] = []
        for name in ids([m for m in sent if m.key == zone]):
            if name not in seen:
                seen.append(name)
        expected = OutboxEvent.objects.filter(zone=zone.decode()).order_by("event_seq")
        assert seen == [f"{event.request_id}.completed" for event in expected]


def test_a_fatal_error_makes_a_new_producer_and_keeps_the_order(
    make_kafka: Callable[[], MockKafka], settings: Settings
) -> None:
    kafka = make_kafka()
    topics = Topics(kafka.address, "requests", "outcomes", "dlq")
    kafka.create_topic("outcomes", 1)
    settings.KAFKA_BOOTSTRAP_SERVERS = kafka.address
    settings.KAFKA_CLIENT_OPTIONS = {"linger.ms": 100}
    events = [outbox_event("a.test.", number + 1) for number in range(20)]
    subject = make(topics)
    kafka.fail_next(PRODUCE, [KafkaError.TOPIC_AUTHORIZATION_FAILED])
    assert subject.step() == 0
    assert unpublished() == 20
    drain(subject)
    subject.close()
    expected = [f"{event.request_id}.completed" for event in events]
    assert ids(read(topics, "outcomes")) == expected


class PickyProducer(ConfirmedProducer):
    """Delivers everything except for one key."""

    def __init__(self, refused: bytes) -> None:
        super().__init__(options.producer)
        self.refused = refused
        self.keys: list[list[bytes | None]] = []

    def send(self, messages: Any, *, timeout_s: float) -> list[Delivery]:
        self.keys.append([message.key for message in messages])
        good = [m for m in messages if m.key != self.refused]
        delivered = iter(super().send(good, timeout_s=timeout_s))
        return [
            Delivery("too large") if m.key == self.refused else next(delivered)
            for m in messages
        ]


def test_a_zone_stops_at_its_first_failure_and_holds_up_no_other(
    topics: Topics,
) -> None:
    outbox_event("a.test.", 1)
    outbox_event("a.test.", 2)
    outbox_event("b.test.", 1)
    producer = PickyProducer(b"a.test.")
    times = [0.0]
    subject = make(topics, producer=producer, clock=lambda: times[-1])
    assert subject.step() == 1
    assert state(subject) == (True, True)
    outbox_event("b.test.", 2)
    assert subject.step() == 1
    assert producer.keys == [[b"a.test."] * 2 + [b"b.test."], [b"b.test."]]
    producer.refused = b""
    times.append(QUICK.longest_s)
    drain(subject)
    assert state(subject) == (True, False)
    subject.close()
    assert len(read(topics, topics.outcomes)) == 4
