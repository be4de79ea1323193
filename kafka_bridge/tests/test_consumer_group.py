"""The consumer when dead letters fail, members come and members go."""

from __future__ import annotations

import json
from typing import Any

import pytest

from kafka_bridge.client import Answer
from kafka_bridge.dlq import DeadLetter, DeadLetters
from kafka_bridge.exceptions import DeadLetterFailed
from kafka_bridge.producer import ConfirmedProducer, Delivery
from kafka_bridge.tests.support import (
    FakeApi,
    Member,
    Topics,
    changeset,
    codes,
    committed,
    produce,
    produce_changesets,
    read,
)

NAMES = ["a", "b", "c", "d"]


class FlakyLetters(DeadLetters):
    """Fails the first ``failures`` calls, then delivers."""

    def __init__(self, topic: str, producer: ConfirmedProducer, failures: int) -> None:
        super().__init__(topic, producer)
        self.failures = failures
        self.calls = 0

    def send(self, letters: Any) -> list[Delivery]:
        self.calls += 1
        if self.calls <= self.failures:
            return [Delivery("the topic is away") for _ in letters]
        return super().send(letters)


def flaky(topics: Topics, failures: int) -> FlakyLetters:
    from kafka_bridge import options

    return FlakyLetters(topics.dlq, ConfirmedProducer(options.producer), failures)


def test_a_failing_dead_letter_holds_the_offset_and_is_tried_again(
    topics: Topics, api: FakeApi
) -> None:
    produce(topics, [b"{", json.dumps(changeset("a")).encode()])
    letters = flaky(topics, failures=2)
    with Member(topics, api.url, dead_letters=letters) as member:
        member.until(lambda: letters.calls == 1)
        assert committed(topics) == {}
        member.drain()
    assert letters.calls == 3
    assert codes(read(topics, topics.dlq)) == [b"invalid_json"]
    assert committed(topics) == {0: 2}


def test_dead_letters_that_keep_failing_end_the_consumer_uncommitted(
    topics: Topics, api: FakeApi
) -> None:
    produce_changesets(topics, ["a"])
    produce(topics, [b"{"])
    produce_changesets(topics, ["b"])
    letters = flaky(topics, failures=1_000)
    with Member(topics, api.url, dead_letters=letters) as member:
        with pytest.raises(DeadLetterFailed, match="the topic is away"):
            member.drain()
    assert letters.calls == 5
    assert committed(topics).get(0, 0) <= 1
    with Member(topics, api.url) as member:
        member.drain()
    assert codes(read(topics, topics.dlq)) == [b"invalid_json"]
    assert committed(topics) == {0: 3}
    assert len(api.effects) == 2


def test_the_detail_of_a_dead_letter_is_cut_between_characters(
    topics: Topics,
) -> None:
    from kafka_bridge import dlq
    from kafka_bridge.tests.support import message
    from kafka_bridge.verdicts import Reason

    letter = DeadLetter(message(b"x"), Reason("c", "é" * 600 + "x"), 1)
    headers = dict(dlq.outgoing("t", letter).headers)
    assert headers["dnsorch-dlq-detail"] == ("é" * 512).encode()


def test_two_members_share_the_partitions_and_lose_nothing(
    topics: Topics, api: FakeApi
) -> None:
    for partition in range(3):
        names = [f"p{partition}-{n}" for n in range(20)]
        produce_changesets(topics, names, partition=partition)
    with Member(topics, api.url, batch_size=2) as first:
        first.until(lambda: len(api.effects) >= 6)
        with Member(topics, api.url, batch_size=2) as second:

            def both() -> bool:
                first.consumer.step(0.01)
                counts = sorted(len(m.assignment.partitions) for m in (first, second))
                return counts == [1, 2]

            second.until(both)

            def drained() -> bool:
                first.consumer.step(0.01)
                if not (first.assignment.drained and second.assignment.drained):
                    return False
                # The client commits within a second; in the rebalance that begins when
                # the one leaves, the other cannot, and all of it would come again.
                return committed(topics) == {0: 20, 1: 20, 2: 20}

            second.until(drained)
            assert first.assignment.partitions.isdisjoint(second.assignment.partitions)
    assert committed(topics) == {0: 20, 1: 20, 2: 20}
    assert len(api.effects) == 60
    for partition in range(3):
        seen: list[str] = []
        for posted in api.posted:
            for name in posted.names:
                if name.startswith(f"p{partition}-") and name not in seen:
                    seen.append(name)
        assert seen == [f"p{partition}-{n}" for n in range(20)]


def test_a_member_that_dies_without_a_word_loses_nothing(
    topics: Topics, api: FakeApi
) -> None:
    """The offset moves only after the answer: what was in flight comes again."""
    produce_changesets(topics, NAMES)

    dying = Member(topics, api.url, batch_size=2)
    post = dying.api.post

    def die_after_the_effect(items: Any) -> Answer:
        post(items)
        raise KeyboardInterrupt

    dying.consumer._api.post = die_after_the_effect  # type: ignore[method-assign]
    with pytest.raises(KeyboardInterrupt):
        dying.drain()
    dying.kafka.close()
    dying.dead_letters.close()
    dying.api.close()
    assert committed(topics) == {}
    with Member(topics, api.url) as member:
        member.drain()
    assert [posted.names for posted in api.posted] == [["a", "b"], NAMES]
    assert len(api.effects) == 4
    assert committed(topics) == {0: 4}


def test_finishing_goes_on_with_what_is_held_and_fetches_nothing(
    topics: Topics, api: FakeApi
) -> None:
    produce_changesets(topics, NAMES)
    with Member(topics, api.url, batch_size=1) as member:
        member.until(lambda: len(api.posted) == 1)
        produce_changesets(topics, ["late"])
        while member.consumer.step(fetch=False):
            pass
    assert "late" not in [name for p in api.posted for name in p.names]
    assert committed(topics) == {0: len(api.posted)}
