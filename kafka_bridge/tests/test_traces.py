"""Through Kafka a trace goes on: from a message to its item, to its outcome."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from pytest_django.fixtures import Settings

from dnsorch.tests import spans
from dnsorch.tests.spans import Recorder
from kafka_bridge import options
from kafka_bridge.producer import ConfirmedProducer
from kafka_bridge.publisher import Publisher
from kafka_bridge.tests.support import (
    FakeApi,
    Member,
    Topics,
    changeset,
    message,
    problem,
    produce,
    read,
    results,
)
from kafka_bridge.work import pending
from requests_tracker.models import Request
from requests_tracker.tests.outbox_factory import outbox_event

TRACE, SPAN = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"
PARENT = f"00-{TRACE}-{SPAN}-01"


@pytest.fixture
def recorder(settings: Settings, tmp_path: Path) -> Iterator[Recorder]:
    """Export to a file."""
    with spans.recorded(settings, tmp_path) as recorder:
        yield recorder


def test_an_item_hangs_on_the_span_of_its_message(recorder: Recorder) -> None:
    headers = (("traceparent", PARENT.encode()),)
    item = pending(message(json.dumps(changeset("www")).encode(), headers=headers))
    assert item.log_context() == {"trace_id": TRACE}
    item.finish()
    span = spans.one(recorder.spans(), "consume dnsorch.requests")
    assert (span.trace, span.parent, span.kind) == (TRACE, SPAN, "CONSUMER")
    assert not span.failed
    assert span.attributes == {
        "messaging.system": "kafka",
        "messaging.destination.name": "dnsorch.requests",
        "messaging.destination.partition.id": "2",
        "messaging.kafka.offset": 7,
    }
    assert spans.referred(json.loads(item.item)["traceparent"]) == span.reference


def test_a_message_without_a_trace_begins_one(recorder: Recorder) -> None:
    item = pending(message(json.dumps(changeset("www")).encode()))
    item.finish()
    span = spans.one(recorder.spans(), "consume dnsorch.requests")
    assert span.parent == ""
    assert spans.referred(json.loads(item.item)["traceparent"]) == span.reference


def test_with_no_exporter_an_item_has_what_the_message_says() -> None:
    headers = (("traceparent", PARENT.encode()),)
    item = pending(message(json.dumps(changeset("www")).encode(), headers=headers))
    item.finish()
    assert json.loads(item.item)["traceparent"] == PARENT
    assert item.log_context() == {}


def test_a_dead_letter_is_a_failed_span_and_the_post_is_apart(
    topics: Topics, api: FakeApi, recorder: Recorder
) -> None:
    api.script = [results(problem(404, "zone_not_found", "019a"))]
    produce(topics, [json.dumps(changeset("a")).encode()])
    with Member(topics, api.url) as member:
        member.drain()
    found = recorder.spans()
    consumed = spans.one(found, f"consume {topics.requests}")
    assert consumed.failed
    assert consumed.attributes["error.type"] == "zone_not_found"
    post = spans.one(found, "post batch")
    assert post.trace != consumed.trace
    (posted,) = api.posted
    assert spans.referred(posted.headers["traceparent"]) == post.reference
    assert spans.referred(posted.items[0]["traceparent"]) == consumed.reference


def publish(topics: Topics, parent: str) -> Any:
    """Publish the outcome of a request with this traceparent; return the message."""
    event = outbox_event("example.test.", 1)
    Request.objects.filter(pk=event.request_id).update(traceparent=parent)
    publisher = Publisher(
        ConfirmedProducer(options.producer),
        topic=topics.outcomes,
        source="dnsorch",
        holder="one",
        bodies=lambda ids: {each: {"id": str(each)} for each in ids},
    )
    assert publisher.step() == 1
    publisher.close()
    (message,) = read(topics, topics.outcomes)
    return message


@pytest.mark.django_db
def test_an_outcome_names_the_trace_of_its_request(
    topics: Topics, recorder: Recorder
) -> None:
    message = publish(topics, PARENT)
    span = spans.one(recorder.spans(), f"publish {topics.outcomes}")
    assert (span.trace, span.parent, span.kind) == (TRACE, SPAN, "PRODUCER")
    assert spans.referred(message.header("traceparent")) == span.reference
    assert json.loads(message.value)["traceparent"] == PARENT


@pytest.mark.django_db
def test_with_no_exporter_an_outcome_has_what_the_client_sent(topics: Topics) -> None:
    message = publish(topics, PARENT)
    assert message.header("traceparent").decode() == PARENT
    assert json.loads(message.value)["traceparent"] == PARENT
