"""``manage.py replay_dlq``: which dead letters go back, and under which key."""

from __future__ import annotations

import hashlib
import json
from datetime import UTC, datetime, timedelta
from io import StringIO

import pytest
from django.core.management import CommandError, call_command

from kafka_bridge import dlq, envelope
from kafka_bridge.exceptions import InvalidHeader, NotADeadLetter
from kafka_bridge.message import Headers, Message, Partition
from kafka_bridge.tests.support import (
    FakeApi,
    Member,
    Topics,
    changeset,
    message,
    produce,
    read,
)
from kafka_bridge.verdicts import Reason


def letter(
    source: Message, *, code: str = "zone_not_found", offset: int = 0
) -> Message:
    """Return ``source`` as it stands in the dead-letter topic."""
    reason = Reason(code, "why", "019a")
    sent = dlq.outgoing("dlq", dlq.DeadLetter(source, reason, 1))
    place = Partition("dlq", 1)
    return Message(place, offset, 1_800_000_000_000, sent.key, sent.value, sent.headers)


def put(topics: Topics, *letters: Message, partition: int = 0) -> None:
    """Write dead letters to the topic."""
    for each in letters:
        produce(
            topics,
            [each.value],
            topic=topics.dlq,
            partition=partition,
            key=each.key,
            headers=tuple(
                (n, topics.requests.encode() if n == "dnsorch-dlq-topic" else v)
                for n, v in each.headers
            ),
        )


def replay(*arguments: str) -> list[str]:
    out = StringIO()
    call_command("replay_dlq", *arguments, stdout=out)
    return out.getvalue().splitlines()


def key(original: str, place: str) -> bytes:
    return f"dlq:{hashlib.sha256(original.encode()).hexdigest()}:{place}".encode()


@pytest.mark.parametrize(
    "headers",
    [
        pytest.param((("idempotency-key", b"mine"), ("x", b"1")), id="header"),
        pytest.param((("x", b"1"),), id="place"),
    ],
)
def test_redriven(headers: Headers) -> None:
    source = message(b'{"changes":[]}', headers=headers)
    got = dlq.redriven(letter(source, offset=5))
    assert (got.topic, got.key, got.value) == (
        "dnsorch.requests",
        source.key,
        source.value,
    )
    assert got.headers == (
        ("x", b"1"),
        ("idempotency-key", key(envelope.idempotency_key(source), "1:5")),
    )
    assert got == dlq.redriven(letter(source, offset=5))
    assert got != dlq.redriven(letter(source, offset=6))


def test_original_is_what_it_was() -> None:
    source = message(b"\xff", headers=[("x", None)])
    assert dlq.original(letter(source)) == source


def test_what_is_not_a_dead_letter_cannot_be_put_back() -> None:
    with pytest.raises(NotADeadLetter):
        dlq.redriven(message(b"{}"))


def test_what_was_rejected_for_its_key_cannot_be_put_back() -> None:
    with pytest.raises(InvalidHeader):
        dlq.redriven(letter(message(b"{}", headers=[("idempotency-key", b"\xff")])))


def test_without_a_choice_nothing_is_done(topics: Topics) -> None:
    with pytest.raises(CommandError, match="or say --all"):
        replay()
    with pytest.raises(CommandError, match="--offset needs --partition"):
        replay("--offset", "1")
    with pytest.raises(CommandError, match="--limit is at least 1"):
        replay("--all", "--limit", "0")
    with pytest.raises(CommandError, match="'soon' is not an ISO 8601 time"):
        replay("--since", "soon")
    assert read(topics, topics.requests) == []


def test_an_empty_topic(topics: Topics) -> None:
    assert replay("--all") == ["put back 0 of 0"]


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["--all"], ["0:0", "0:1", "1:0"]),
        (["--all", "--limit", "2"], ["0:0", "0:1"]),
        (["--partition", "1"], ["1:0"]),
        (["--partition", "0", "--offset", "1"], ["0:1"]),
        (["--code", "invalid_json"], ["0:1"]),
        (["--code", "invalid_json", "--code", "not_utf8"], ["0:1", "1:0"]),
        (["--since", "2020-01-01"], ["0:0", "0:1", "1:0"]),
        (
            ["--since", (datetime.now(UTC) + timedelta(days=1)).isoformat()],
            [],
        ),
    ],
)
def test_selection(topics: Topics, arguments: list[str], expected: list[str]) -> None:
    first, second, third = (message(f"{n}".encode(), offset=n) for n in range(3))
    put(topics, letter(first), letter(second, code="invalid_json"))
    put(topics, letter(third, code="not_utf8"), partition=1)
    lines = replay(*arguments, "--dry-run")
    assert [line.split()[0] for line in lines[:-1]] == expected
    assert lines[-1] == f"would put back {len(expected)} of {len(expected)}"
    assert read(topics, topics.requests) == []


def test_the_line_of_a_letter(topics: Topics) -> None:
    put(topics, letter(message(b"{", offset=9)))
    assert replay("--all") == [
        f"0:0 zone_not_found {topics.requests}/2/9 019a why",
        "put back 1 of 1",
    ]


def test_one_that_cannot_be_put_back_is_named_and_holds_up_no_other(
    topics: Topics,
) -> None:
    produce(topics, [b"stray"], topic=topics.dlq)
    put(topics, letter(message(b"good")))
    out = StringIO()
    with pytest.raises(CommandError, match="1 could not be put back"):
        call_command("replay_dlq", "--all", stdout=out)
    lines = out.getvalue().splitlines()
    assert "cannot be put back" in lines[0]
    assert lines[-1] == "put back 1 of 2"
    assert [m.value for m in read(topics, topics.requests)] == [b"good"]


def test_putting_one_back_twice_is_one_request(topics: Topics, api: FakeApi) -> None:
    value = json.dumps(changeset("www")).encode()
    put(topics, letter(message(value)))
    replay("--all")
    replay("--all")
    with Member(topics, api.url) as member:
        member.drain()
    keys = [item["idempotency_key"] for post in api.posted for item in post.items]
    assert len(keys) == 2
    assert len(set(keys)) == len(api.effects) == 1
    assert keys[0].startswith("dlq:") and keys[0].endswith(":0:0")
