"""kill -9 in the middle of the work: what was acknowledged completes, once."""

from __future__ import annotations

import uuid
from concurrent.futures import Future

import httpx
import pytest

from dnsorch.tests.e2e.harness import Stack, changeset, in_parallel, record, until

REQUESTS = 100
SOME = 30


class Names:
    """Owner names of one test, and the address that each shall have."""

    def __init__(self) -> None:
        self.mark = uuid.uuid4().hex[:8]
        self.values = {
            f"crash-{number}-{self.mark}.example.test.": f"192.0.2.{number}"
            for number in range(REQUESTS)
        }

    def key(self, name: str) -> str:
        """Return the idempotency key of the request for ``name``."""
        return f"key-{name}"

    def check(self, stack: Stack) -> None:
        """Find every name live, asked for by one request, added once."""
        for name, value in self.values.items():
            request = stack.final_by_key(self.key(name))
            assert request["status"] == "completed", request
        added = {name: stack.added(name) for name in self.values}
        assert added == {name: [value] for name, value in self.values.items()}
        assert stack.resolve(next(iter(self.values))) == {"192.0.2.0"}

    def known(self, stack: Stack) -> int:
        """Return how many of the requests the tracker has."""
        return sum(
            self.mark in (request["idempotency_key"] or "")
            for request in stack.every("/api/v2/requests/")
        )


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
        lambda item: post(stack, item[0], item[1], names.key(item[0])),
        list(names.values.items()),
    )
    until(lambda: sum(each.done() for each in posts) >= SOME or None, "some answers")
    stack.kill(victim)
    stack.start(victim)
    assert [each.result() for each in posts] == [202] * REQUESTS
    names.check(stack)


@pytest.mark.parametrize("victim", ["consumer", "worker", "api", "publisher", "sweep"])
def test_messages_of_kafka_survive(stack: Stack, victim: str) -> None:
    names = Names()
    stack.produce(
        [
            (names.key(name), changeset("example.test.", "create", name, value))
            for name, value in names.values.items()
        ]
    )
    until(lambda: names.known(stack) or None, "the first message is taken")
    stack.kill(victim)
    stack.start(victim)
    until(lambda: names.known(stack) == REQUESTS or None, "all messages are taken")
    names.check(stack)


def test_what_kafka_holds_is_taken_when_the_consumer_comes(stack: Stack) -> None:
    names = Names()
    stack.kill("consumer")
    stack.produce(
        [
            (names.key(name), changeset("example.test.", "create", name, value))
            for name, value in names.values.items()
        ]
    )
    stack.start("consumer")
    until(lambda: names.known(stack) == REQUESTS or None, "all messages are taken")
    names.check(stack)


def test_all_goes_on_without_a_broker(stack: Stack) -> None:
    names = Names()
    stack.kill("broker")
    try:
        for name, value in list(names.values.items())[:SOME]:
            assert post(stack, name, value, names.key(name)) == 202
        for name in list(names.values)[:SOME]:
            assert stack.final_by_key(names.key(name))["status"] == "completed"
    finally:
        stack.start("broker")
