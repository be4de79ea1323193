"""Kafka: requests in, outcomes out."""

from __future__ import annotations

import json
import time
import uuid
from collections.abc import Iterator

from dnsorch.bench.bench import BATCH, Bench, begin, changeset
from dnsorch.bench.results import Measured
from dnsorch.bench.stack import FLOOR
from dnsorch.tests.e2e.harness import until

_UNPUBLISHED = (
    "SELECT count(*) FROM requests_tracker_outboxevent WHERE published_at IS NULL"
)
_LAST = (
    "SELECT extract(epoch FROM max(published_at))::float8 "
    "FROM requests_tracker_outboxevent"
)


def kafka(bench: Bench) -> Iterator[Measured]:
    """Messages of change sets: into the tracker, and into DNS."""
    count, topic = bench.sizes.messages, bench.stack.topics["requests"]
    messages = [
        (zone, json.dumps(changeset(name, zone, address)), None)
        for name, zone, address in bench.records(
            bench.mark(), count, bench.stack.zones[:50]
        )
    ]
    about = {"kafka": bench.stack.about["kafka"], "topic": topic}
    first, _ = begin()
    began = bench.load("produce", messages=messages, **about)["began"]
    tracked = bench.stack.tracked(first, count)
    ended = bench.stack.completed(first, count)
    bare = bench.load("consume", count=count, group=f"bare-{uuid.uuid4()}", **about)
    floors = {"bare consumer": count / (bare["ended"] - bare["began"])}
    rate = count / (tracked - began)
    yield Measured("Kafka to the tracker", "messages/s", rate, floors)
    rate = count / (ended - began)
    yield Measured("Kafka to DNS, verified", "messages/s", rate, floors)


def outcomes(bench: Bench) -> Iterator[Measured]:
    """Outcomes that wait in the outbox: published."""
    count, stack = bench.sizes.messages, bench.stack
    await_published(bench)
    bodies = bench.batches(bench.mark(), count, stack.zones[:50])
    first, _ = begin()
    with stack.paused("publisher"):
        bench.post(BATCH, bodies, 2)
        stack.completed(first, count)
    began = time.time()
    await_published(bench)
    ended = float(stack.query(_LAST)[0][0])
    sample = json.dumps(next(stack.every("/api/v2/requests/")))
    messages = [(zone, sample, None) for zone in stack.zones[:50]]
    messages = [messages[index % len(messages)] for index in range(count)]
    bare = bench.load(
        "produce",
        messages=messages,
        kafka=stack.about["kafka"],
        topic=stack.topics[FLOOR],
        warm=True,
    )
    yield Measured(
        "outcomes published",
        "messages/s",
        count / (ended - began),
        {"bare producer": count / (bare["ended"] - bare["began"])},
    )


def await_published(bench: Bench) -> None:
    """Wait until no outcome waits."""

    def look() -> bool | None:
        return bench.stack.query(_UNPUBLISHED) == [(0,)] or None

    until(look, "the outbox is empty", 120)
