"""kill -9 in the middle of the work: what was acknowledged completes, once."""

from __future__ import annotations

import json
import uuid
from concurrent.futures import Future

import httpx
import pytest

from dnsorch.tests.e2e.harness import (
    TOPICS,
    Stack,
    changeset,
    in_parallel,
    record,
    until,
)

REQUESTS = 100
SOME = 30


class Names:
    """Owner names of one test, and the address that each shall have."""

    def __init__(self, count: int = REQUESTS) -> None:
        mark = uuid.uuid4().hex[:8]
        self.values = {
            f"crash-{mark}-{number}.example.test.": f"192.0.2.{number}"
            for number in range(count)
        }
        self.keys = {name: f"key-{name}" for name in self.values}

    def messages(self) -> list[tuple[str, bytes]]:
        """Return a message for each name, and its idempotency key."""
        return [
            (self.keys[name], changeset("example.test.", "create", name, value))
            for name, value in self.values.items()
        ]

    def known(self, stack: Stack) -> int:
        """Return how many of the requests the tracker has."""
        keys = set(self.keys.values())
        requests = stack.every("/api/v2/requests/", since=stack.since)
        return sum(request["idempotency_key"] in keys for request in requests)

    def check(self, stack: Stack) -> None:
        """Find every name live, asked for by one request, added once."""
        requests = stack.settled(self.keys.values())
        assert {request["status"] for request in requests} == {"completed"}
        added = {name: stack.added(name) for name in self.values}
        assert added == {name: [value] for name, value in self.values.items()}
        name, value = next(iter(self.values.items()))
        assert stack.resolve(name) == {value}


def post(stack: Stack, name: str, value: str, key: str) -> int:
    """Post a record until an answer comes, as a client with a key may."""

    def attempt() -> int | None:
        try:
            with stack.client() as client:
                answer = client.post(
                    "/api/v1/dns-records/",
                    json=record(name, value),
                    headers={"Idempotency-Key": key},
                )
        except httpx.TransportError:
            return None
        in_progress = answer.status_code == 409 and "in_progress" in answer.text
        return None if in_progress or answer.status_code == 503 else answer.status_code

    return until(attempt, f"an answer about {name}")


@pytest.mark.parametrize("victim", ["worker", "api"])
def test_requests_over_rest_survive(stack: Stack, victim: str) -> None:
    names = Names()
    posts: list[Future[int]] = in_parallel(
        lambda item: post(stack, *item, names.keys[item[0]]),
        list(names.values.items()),
    )
    until(lambda: sum(each.done() for each in posts) >= SOME or None, "some answers")
    stack.kill(victim)
    stack.start(victim)
    assert [each.result() for each in posts] == [202] * REQUESTS
    names.check(stack)


@pytest.mark.parametrize("victim", ["consumer", "worker", "api"])
def test_messages_of_kafka_survive(stack: Stack, victim: str) -> None:
    names = Names()
    stack.produce(names.messages())
    until(lambda: names.known(stack) or None, "the first message is taken")
    stack.kill(victim)
    stack.start(victim)
    names.check(stack)


def test_what_kafka_holds_waits_for_the_consumer(stack: Stack) -> None:
    names = Names()
    stack.kill("consumer")
    stack.produce(names.messages())
    stack.start("consumer")
    names.check(stack)


def test_an_outcome_waits_for_the_publisher(stack: Stack) -> None:
    names = Names(SOME)
    stack.kill("publisher")
    stack.produce(names.messages())
    names.check(stack)
    stack.start("publisher")
    wanted = set(names.keys.values())

    def look() -> list[str] | None:
        bodies = (json.loads(each.value() or b"") for each in stack.messages(TOPICS[1]))
        keys = [body["data"]["idempotency_key"] for body in bodies]
        found = [key for key in keys if key in wanted]
        return found if set(found) == wanted else None

    assert len(until(look, "every outcome is published")) == SOME


def test_all_goes_on_without_a_broker(stack: Stack) -> None:
    names = Names(SOME)
    stack.kill("broker")
    try:
        for name, value in names.values.items():
            assert post(stack, name, value, names.keys[name]) == 202
        names.check(stack)
    finally:
        stack.start("broker")
