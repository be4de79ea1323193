"""The commands as operators run them: in a process, stopped by signals."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from io import StringIO
from pathlib import Path

import pytest
from django.core.management import CommandError, call_command
from pytest_django.fixtures import Settings

from dnsorch import secrets
from dnsorch.embedded.kafka import MockKafka
from kafka_bridge.signals import StopFlag
from kafka_bridge.tests.support import (
    DEADLINE_S,
    FakeApi,
    Reply,
    Topics,
    committed,
    eventually,
    produce,
    produce_changesets,
    read,
)
from requests_tracker.models import OutboxEvent
from requests_tracker.services import outbox
from requests_tracker.tests.outbox_factory import outbox_event

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(autouse=True)
def token(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Give the consumer a token."""
    settings.KAFKA_API_TOKEN_REFERENCE = "env:KAFKA_TEST_TOKEN"
    monkeypatch.setenv("KAFKA_TEST_TOKEN", "dno_from_the_environment")
    secrets.forget()
    yield
    secrets.forget()


@pytest.fixture
def process(topics: Topics, api: FakeApi) -> Iterator[list[subprocess.Popen[str]]]:
    """Consumers in processes of their own; killed at the end."""
    started: list[subprocess.Popen[str]] = []
    yield started
    for each in started:
        each.kill()
        each.communicate()


def start(topics: Topics, api: FakeApi, *arguments: str) -> subprocess.Popen[str]:
    environment = {
        "KAFKA_BOOTSTRAP_SERVERS": topics.address,
        "KAFKA_TOPIC_REQUESTS": topics.requests,
        "KAFKA_TOPIC_DLQ": topics.dlq,
        "KAFKA_CLIENT_OPTIONS": json.dumps(
            {"session.timeout.ms": 3_000, "heartbeat.interval.ms": 200}
        ),
        "KAFKA_CONSUMER_GROUP": topics.requests,
        "KAFKA_API_URL": api.url,
        "KAFKA_API_TOKEN_REFERENCE": "env:KAFKA_TEST_TOKEN",
    }
    return subprocess.Popen(
        [sys.executable, "manage.py", "consume_kafka", *arguments],
        cwd=ROOT,
        env=os.environ | environment,
        stderr=subprocess.PIPE,
        text=True,
    )


def test_consume_once_drains_what_is_there(
    topics: Topics, api: FakeApi, settings: Settings
) -> None:
    settings.KAFKA_API_URL = api.url
    produce_changesets(topics, ["a", "b"])
    produce(topics, [b"{"], partition=1)
    call_command("consume_kafka", "--once", "--group", topics.requests)
    assert [name for posted in api.posted for name in posted.names] == ["a", "b"]
    first, *_ = api.posted
    assert first.headers["authorization"] == "Bearer dno_from_the_environment"
    assert len(read(topics, topics.dlq)) == 1
    assert committed(topics) == {0: 2, 1: 1}


def test_consume_once_of_an_empty_topic(
    topics: Topics, api: FakeApi, settings: Settings
) -> None:
    settings.KAFKA_API_URL = api.url
    call_command("consume_kafka", "--once", "--topics", topics.requests)
    assert api.posted == []


@pytest.mark.parametrize("size", ["0", "501"])
def test_consume_refuses_a_bad_batch_size(topics: Topics, size: str) -> None:
    with pytest.raises(CommandError, match="--batch-size is 1 to 500"):
        call_command("consume_kafka", "--once", "--batch-size", size)


def test_consume_without_a_token_does_not_start(
    topics: Topics, settings: Settings
) -> None:
    settings.KAFKA_API_TOKEN_REFERENCE = "env:KAFKA_TEST_NO_TOKEN"
    with pytest.raises(CommandError, match="no API token: env:KAFKA_TEST_NO_TOKEN"):
        call_command("consume_kafka", "--once")


def test_consume_once_without_kafka_says_so(
    topics: Topics, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    from kafka_bridge.management.commands import consume_kafka

    monkeypatch.setattr(consume_kafka, "METADATA_TIMEOUT_S", 0.3)
    with MockKafka() as away:
        settings.KAFKA_BOOTSTRAP_SERVERS = away.address
    with pytest.raises(CommandError, match="no answer from Kafka"):
        call_command("consume_kafka", "--once")


def test_sigterm_finishes_commits_and_ends_with_0(
    topics: Topics, api: FakeApi, process: list[subprocess.Popen[str]]
) -> None:
    held = threading.Event()

    def slow(items: list[dict[str, object]]) -> Reply:
        held.wait(DEADLINE_S)
        return api.accept(items)

    api.script = [slow]
    produce_changesets(topics, ["a"])
    process.append(start(topics, api))
    eventually(lambda: len(api.posted) == 1, meanwhile=lambda: time.sleep(0.02))
    process[0].send_signal(signal.SIGTERM)
    held.set()
    assert process[0].wait(DEADLINE_S) == 0
    assert len(api.effects) == 1
    assert committed(topics) == {0: 1}


def test_kill_9_and_a_restart_lose_and_double_nothing(
    topics: Topics, api: FakeApi, process: list[subprocess.Popen[str]]
) -> None:
    held = threading.Event()

    def effect_then_silence(items: list[dict[str, object]]) -> Reply:
        reply = api.accept(items)
        held.wait(DEADLINE_S)
        return reply

    api.script = [effect_then_silence]
    produce_changesets(topics, ["a", "b"])
    process.append(start(topics, api, "--batch-size", "1"))
    eventually(lambda: len(api.effects) == 1, meanwhile=lambda: time.sleep(0.02))
    process[0].kill()
    process[0].wait(DEADLINE_S)
    held.set()
    assert committed(topics) == {}
    process.append(start(topics, api, "--once"))
    assert process[1].wait(DEADLINE_S) == 0
    names = [name for posted in api.posted for name in posted.names]
    assert names == ["a", "a", "b"]
    assert len(api.effects) == 2
    assert committed(topics) == {0: 2}


@pytest.mark.django_db
def test_publish_once_publishes_real_bodies(topics: Topics) -> None:
    event = outbox_event("example.test.", 1)
    call_command("publish_events", "--once")
    (message,) = read(topics, topics.outcomes)
    assert json.loads(message.value or b"")["data"]["id"] == str(event.request_id)
    assert OutboxEvent.objects.filter(published_at=None).count() == 0


@pytest.mark.django_db
def test_publish_once_stands_back_for_another_publisher(topics: Topics) -> None:
    outbox.take_lease(name="outcomes", holder="other", ttl_s=30)
    outbox_event("example.test.", 1)
    with pytest.raises(CommandError, match="another publisher is active"):
        call_command("publish_events", "--once")
    assert read(topics, topics.outcomes) == []


@pytest.mark.django_db
def test_publish_once_says_what_is_left(topics: Topics, settings: Settings) -> None:
    outbox_event("example.test.", 1)
    # Smaller than any outcome: this one cannot be sent.
    settings.KAFKA_CLIENT_OPTIONS = {"message.max.bytes": 1_000}
    with pytest.raises(CommandError, match="they are kept"):
        call_command("publish_events", "--once")
    assert OutboxEvent.objects.filter(published_at=None).count() == 1
    # The lease was given back: the next one need not wait for it.
    settings.KAFKA_CLIENT_OPTIONS = {}
    call_command("publish_events", "--once")
    assert len(read(topics, topics.outcomes)) == 1


@pytest.mark.django_db
def test_publish_goes_on_until_sigterm(
    topics: Topics, monkeypatch: pytest.MonkeyPatch
) -> None:
    outbox_event("example.test.", 1)
    marked = outbox.mark_published

    def mark_then_stop(event_ids: list[int]) -> int:
        os.kill(os.getpid(), signal.SIGTERM)
        return marked(event_ids=event_ids)

    monkeypatch.setattr(
        "kafka_bridge.management.commands.publish_events.close_old_connections",
        lambda: None,
    )
    monkeypatch.setattr(outbox, "mark_published", mark_then_stop)
    out = StringIO()
    call_command("publish_events", stdout=out)
    assert len(read(topics, topics.outcomes)) == 1
    assert OutboxEvent.objects.filter(published_at=None).count() == 0


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_signals_set_the_flag_inside_the_block_only(number: signal.Signals) -> None:
    before = signal.getsignal(number)
    with StopFlag() as stop:
        assert not stop.is_set()
        assert not stop.wait(0.0)
        os.kill(os.getpid(), number)
        assert stop.wait(DEADLINE_S)
        assert stop.is_set()
    assert signal.getsignal(number) is before
