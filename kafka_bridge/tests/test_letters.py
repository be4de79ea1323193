"""Dead letters read as pages and by their places, within a bounded time."""

from __future__ import annotations

import time

import pytest
from pytest_django.fixtures import Settings

from kafka_bridge import letters, replay, tasks
from kafka_bridge.exceptions import DeadLettersUnreadable
from kafka_bridge.letters import Place
from kafka_bridge.tests.support import Topics, message, produce, read
from kafka_bridge.tests.test_replay_dlq import letter, put

PATIENCE_S = 30.0


def fill(topics: Topics) -> list[Place]:
    """Write letters to both partitions in turn; return their places, oldest first."""
    places = []
    for number in range(5):
        put(topics, letter(message(b"%d" % number)), partition=number % 2)
        places.append(Place(number % 2, number // 2))
    return places


def test_pages_go_from_the_newest_to_the_oldest_with_none_left_out(
    topics: Topics,
) -> None:
    expected = fill(topics)[::-1]
    found: list[Place] = []
    sizes, before = [], None
    while True:
        page = letters.newest(count=2, before=before, timeout_s=PATIENCE_S)
        found += map(Place.of, page.letters)
        sizes.append(len(page.letters))
        if (before := page.older) is None:
            break
    assert (found, sizes) == (expected, [2, 2, 1])


def test_an_empty_topic_is_an_empty_page(topics: Topics) -> None:
    assert letters.newest(count=2, timeout_s=PATIENCE_S) == ([], None)


def test_letters_are_found_at_their_places(topics: Topics) -> None:
    places = fill(topics)
    wanted = [places[3], places[0], Place(0, 99), Place(9, 0)]
    found = letters.at(wanted, timeout_s=PATIENCE_S)
    assert {place: each.value for place, each in found.items()} == {
        places[0]: b"0",
        places[3]: b"3",
    }


def test_kafka_that_is_away_is_said_in_time(topics: Topics, settings: Settings) -> None:
    settings.KAFKA_BOOTSTRAP_SERVERS = "127.0.0.1:1"
    start = time.monotonic()
    with pytest.raises(DeadLettersUnreadable) as caught:
        letters.newest(count=2, timeout_s=0.5)
    assert time.monotonic() - start < 5
    assert (caught.value.status, caught.value.retryable) == (503, True)
    assert caught.value.detail.startswith(f"cannot read {topics.dlq}: ")


def test_a_topic_that_is_not_there_is_said(topics: Topics, settings: Settings) -> None:
    settings.KAFKA_TOPIC_DLQ = "no-such-topic"
    with pytest.raises(DeadLettersUnreadable, match="cannot read no-such-topic"):
        letters.newest(count=2, timeout_s=PATIENCE_S)


@pytest.mark.parametrize("text", ["", "1", ":", "1:", ":1", "a:1", "1:-1", "1:²"])
def test_what_is_no_place(text: str) -> None:
    with pytest.raises(ValueError, match="is no place in a topic"):
        Place.parse(text)


def test_a_place_is_read_as_it_is_written() -> None:
    assert Place.parse(str(Place(3, 14))) == Place(3, 14)


def test_the_task_says_of_each_letter_how_it_went(topics: Topics) -> None:
    put(topics, letter(message(b"good")), letter(message(b"other")))
    produce(topics, [b"stray"], topic=topics.dlq, partition=1)
    done = tasks.replay(["0:0", "0:7", "1:0"])
    assert done["summary"] == "1 of 3 put back"
    assert [
        (each["about"], each["level"], each["text"]) for each in done["findings"]
    ] == [
        ("0:0", "ok", f"put back to {topics.requests}"),
        ("0:7", "problem", "is not in the topic any more"),
        (
            "1:0",
            "problem",
            "was not put back: The message does not say where it came from, "
            "so it cannot be put back.",
        ),
    ]
    assert [each.value for each in read(topics, topics.requests)] == [b"good"]


def test_reading_leaves_no_trace(topics: Topics) -> None:
    """No group, no offsets: the next reader sees the same."""
    put(topics, letter(message(b"good")))
    first = letters.newest(count=5, timeout_s=PATIENCE_S)
    assert letters.newest(count=5, timeout_s=PATIENCE_S) == first
    assert len(read(topics, topics.dlq)) == 1


def test_kafka_that_is_away_fails_the_task_and_sends_nothing(
    topics: Topics, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    put(topics, letter(message(b"good")))
    settings.KAFKA_BOOTSTRAP_SERVERS = "127.0.0.1:1"
    monkeypatch.setattr(replay, "_READ_TIMEOUT_S", 0.5)
    with pytest.raises(DeadLettersUnreadable):
        tasks.replay(["0:0"])
    assert read(topics, topics.requests) == []
