"""A Kafka and an API for the tests of this app, both over real sockets."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import count

import pytest
from pytest_django.fixtures import Settings

from dnsorch.embedded.kafka import MockKafka
from kafka_bridge.tests.support import FakeApi, Topics

_numbers = count()


@pytest.fixture(scope="session")
def shared_kafka() -> Iterator[MockKafka]:
    """One cluster for all tests of a process; each test has topics of its own."""
    with MockKafka() as kafka:
        yield kafka


@pytest.fixture
def topics(shared_kafka: MockKafka, settings: Settings) -> Topics:
    """Three fresh topics, and the settings that name them."""
    number = next(_numbers)
    names = Topics(
        shared_kafka.address,
        f"requests-{number}",
        f"outcomes-{number}",
        f"dlq-{number}",
    )
    for name, partitions in ((names.requests, 3), (names.outcomes, 3), (names.dlq, 2)):
        shared_kafka.create_topic(name, partitions)
    settings.KAFKA_BOOTSTRAP_SERVERS = shared_kafka.address
    settings.KAFKA_CLIENT_OPTIONS = {
        "session.timeout.ms": 3_000,
        "heartbeat.interval.ms": 200,
        "fetch.wait.max.ms": 50,
    }
    settings.KAFKA_TOPIC_REQUESTS = names.requests
    settings.KAFKA_TOPIC_OUTCOMES = names.outcomes
    settings.KAFKA_TOPIC_DLQ = names.dlq
    return names


@pytest.fixture
def make_kafka() -> Iterator[Callable[[], MockKafka]]:
    """Clusters of a test's own, for those that break them."""
    made: list[MockKafka] = []

    def make() -> MockKafka:
        made.append(MockKafka())
        return made[-1]

    yield make
    for kafka in made:
        kafka.close()


@pytest.fixture
def api() -> Iterator[FakeApi]:
    """An API that accepts everything until the test says otherwise."""
    with FakeApi() as fake:
        yield fake
